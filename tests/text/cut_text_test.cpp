// The beginning of a text, of so many tokens.
#include "lait/text/cut_text.h"

#include <gtest/gtest.h>

#include <random>

#include "lait/base/files.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

class CutText : public testing::Test {
 protected:
  CutText() {
    write_file(folder_ / "vocab.txt",
               "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\n##c\n##d\n##cd\na\n##b\ncd\n");
    write_file(folder_ / "tokenizer_config.json",
               R"({"do_lower_case": true, "tokenizer_class": "BertTokenizer"})");
    tokenizer_ = load_tokenizer(folder_.path());
  }
  std::string cut(std::string_view text, int64_t most) {
    return std::string(first_tokens(text, *tokenizer_, most));
  }
  int64_t count(std::string_view text) {
    std::vector<int32_t> ids;
    tokenizer_->encode(text, ids);
    return std::ssize(ids);
  }

  TemporaryFolder folder_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(CutText, EndsBeforeAToken) {
  EXPECT_EQ(cut("ab cd ab", 3), "ab cd ab");
  EXPECT_EQ(cut("ab cd ab", 2), "ab cd ");
  EXPECT_EQ(cut("ab  cd", 1), "ab  ");
  EXPECT_EQ(cut("abcd", 1), "ab");
  EXPECT_EQ(cut("", 1), "");
  EXPECT_EQ(cut("\xC3\xA4 ab", 1), "\xC3\xA4 ");
}

TEST_F(CutText, HasAtMostSoManyTokensItself) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint32_t i = random() % 30; i > 0; --i) text += "abcd  .\xC3"[random() % 8];
    const int64_t most = 1 + random() % 6;
    const std::string kept = cut(text, most);
    EXPECT_TRUE(text.starts_with(kept));
    EXPECT_LE(count(kept), most) << text;
    if (count(text) <= most) {
      EXPECT_EQ(kept, text);
    }
  }
}

}  // namespace
}  // namespace lait
