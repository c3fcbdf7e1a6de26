// The WordNet examples cannot be solved without their evidence: all balances are exact, no gloss is
// in two splits, and one seed gives one result.
#include "train/wordnet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/data/example_reader.h"
#include "tests/base/temporary_folder.h"
#include "train/wordnet_nouns.h"

namespace lait {
namespace {

class Wordnet : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/usr/share/wordnet/data.noun"))
      GTEST_SKIP() << "no WordNet (apt-get install wordnet-base)";
  }
};

TEST_F(Wordnet, EvidenceAloneClaimAloneAndOverlapSayNothing) {
  const WordnetSplits splits = make_wordnet_examples({});
  EXPECT_EQ(splits.train.size(), 10000u);
  EXPECT_EQ(splits.validation.size(), 2000u);
  EXPECT_EQ(splits.test.size(), 2000u);
  for (const auto* examples : {&splits.train, &splits.validation, &splits.test}) {
    std::map<std::string, int> by_evidence, by_claim;
    for (const WordnetExample& e : *examples) {
      by_evidence[e.evidence] += e.supported ? 1 : -1;
      by_claim[e.claim] += e.supported ? 1 : -1;
    }
    for (const auto& [evidence, balance] : by_evidence) EXPECT_EQ(balance, 0) << evidence;
    for (const auto& [claim, balance] : by_claim) EXPECT_EQ(balance, 0) << claim;
    EXPECT_EQ(rule_accuracy(*examples, &WordnetExample::contains_y), 0.5);
    EXPECT_EQ(rule_accuracy(*examples, &WordnetExample::shares_word), 0.5);
  }
}

TEST_F(Wordnet, SplitsShareNoGlossAndNoSynsetOfAClaim) {
  const WordnetSplits splits = make_wordnet_examples({.seed = 7});
  std::map<std::string, int> split_of;  // by gloss, and by the synset of Y (the id's second half)
  int split = 0;
  for (const auto* examples : {&splits.train, &splits.validation, &splits.test}) {
    for (const WordnetExample& e : *examples) {
      for (const std::string& key : {e.evidence, e.id.substr(e.id.find('-'))}) {
        EXPECT_EQ(split_of.try_emplace(key, split).first->second, split) << key;
      }
    }
    ++split;
  }
}

// The only common ancestors of two splits are in the trunk: synsets with more descendants than a
// branch may have.
TEST_F(Wordnet, SplitsShareNoHypernymSubtree) {
  constexpr size_t kMaxBranch = 1500;
  const std::vector<Synset> nouns = read_nouns("/usr/share/wordnet");
  std::map<std::string, int32_t> index;
  for (size_t s = 0; s < nouns.size(); ++s) index[nouns[s].offset] = static_cast<int32_t>(s);
  std::vector<size_t> below(nouns.size());  // by first hypernym, itself included
  for (size_t s = 0; s < nouns.size(); ++s) {
    for (auto up = static_cast<int32_t>(s); up >= 0; up = nouns[static_cast<size_t>(up)].parent())
      ++below[static_cast<size_t>(up)];
  }
  const WordnetSplits splits = make_wordnet_examples({.seed = 3});
  std::map<int32_t, int> split_of;
  int split = 0;
  size_t checked = 0;
  for (const auto* examples : {&splits.train, &splits.validation, &splits.test}) {
    for (const WordnetExample& e : *examples) {
      const size_t dash = e.id.find('-');
      std::vector<int32_t> open{index.at(e.id.substr(0, dash)), index.at(e.id.substr(dash + 1))};
      const bool is_kind = nouns[static_cast<size_t>(open[0])].parent() == open[1];
      EXPECT_EQ(is_kind, e.supported) << e.id << ": " << e.evidence << " | " << e.claim;
      while (!open.empty()) {
        const int32_t s = open.back();
        open.pop_back();
        const Synset& synset = nouns[static_cast<size_t>(s)];
        open.insert(open.end(), synset.hypernyms.begin(), synset.hypernyms.end());
        if (below[static_cast<size_t>(s)] > kMaxBranch) continue;
        ++checked;
        EXPECT_EQ(split_of.try_emplace(s, split).first->second, split)
            << synset.lemmas[0] << " is above synsets of two splits, e.g. " << e.id;
      }
    }
    ++split;
  }
  EXPECT_GT(checked, 14000u);
}

TEST_F(Wordnet, OneSeedGivesOneResultAndTheTaskReadsIt) {
  TemporaryFolder folder;
  write_wordnet_examples(make_wordnet_examples({}), folder / "a");
  write_wordnet_examples(make_wordnet_examples({}), folder / "b");
  write_wordnet_examples(make_wordnet_examples({.seed = 2}), folder / "c");
  EXPECT_EQ(read_file(folder / "a" / "train.jsonl"), read_file(folder / "b" / "train.jsonl"));
  EXPECT_NE(read_file(folder / "a" / "train.jsonl"), read_file(folder / "c" / "train.jsonl"));
  const auto examples =
      read_files(find_task("wordnet"), {(folder / "a" / "test.jsonl").string()}, {}).examples;
  EXPECT_EQ(examples.size(), 2000u);
}

TEST(WordnetDatabase, AMissingOrForeignOneIsNamed) {
  TemporaryFolder folder;
  try {
    make_wordnet_examples({.database = folder / "nowhere"});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("apt-get install wordnet-base"));
  }
  for (const auto& [text, message] :
       {std::pair{"00001740 03 n 01 entity 0 zzz | that which is\n",
                  "data.noun:2: expected a line of WordNet's data.noun"},
        {"00001740 03 n 00 000 | that which is\n",
         "data.noun:2: expected a line of WordNet's data.noun"},
        {"00001740 03 n ffffffffffffffff entity 0 000 | that which is\n",
         "data.noun:2: expected a line of WordNet's data.noun"},
        {"00001740 03 n 01 entity 0 001 @ 00000009 n 0000 | that which is\n",
         "synset '00001740' points to '00000009', which does not exist"},
        {"00000001 03 n 01 hen 0 001 @ 00000002 n 0000 | of an egg\n00000002 03 n 01 egg 0 001 @ "
         "00000001 n 0000 | of a hen\n",
         "expected hypernyms without cycles, got one above synset '00000001'"}}) {
    write_file(folder / "data.noun", std::string("  1 licence\n") + text);
    try {
      make_wordnet_examples({.database = folder / ""});
      FAIL() << text;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(message));
    }
  }
}

}  // namespace
}  // namespace lait
