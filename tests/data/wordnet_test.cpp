// The WordNet examples need their evidence: every balance exact, no gloss in two splits, one seed one result.
#include "lait/data/wordnet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "lait/data/task.h"
#include "lait/error.h"
#include "lait/files.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

class Wordnet : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/usr/share/wordnet/data.noun")) GTEST_SKIP() << "no WordNet (apt-get install wordnet-base)";
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

TEST_F(Wordnet, OneSeedGivesOneResultAndTheTaskReadsIt) {
  TemporaryFolder folder;
  write_wordnet_examples(make_wordnet_examples({}), folder / "a");
  write_wordnet_examples(make_wordnet_examples({}), folder / "b");
  write_wordnet_examples(make_wordnet_examples({.seed = 2}), folder / "c");
  EXPECT_EQ(read_file(folder / "a" / "train.jsonl"), read_file(folder / "b" / "train.jsonl"));
  EXPECT_NE(read_file(folder / "a" / "train.jsonl"), read_file(folder / "c" / "train.jsonl"));
  std::vector<Example> examples;
  ReadCounts counts;
  find_task("wordnet").read(folder / "a" / "test.jsonl", {}, examples, counts);
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
  write_file(folder / "data.noun", "  1 licence\n00001740 03 n 01 entity 0 zzz | that which is\n");
  try {
    make_wordnet_examples({.database = folder / ""});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("data.noun:2: expected a line of WordNet's data.noun"));
  }
}

}  // namespace
}  // namespace lait
