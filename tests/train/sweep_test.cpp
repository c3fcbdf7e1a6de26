// The values of --sweep: split at commas, but not within a list.
#include "train/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/error.h"
#include "lait/config/read.h"
#include "tests/train/tiny_run.h"

namespace lait {
namespace {

using testing::ElementsAre;

TEST(ParseSweep, ReadsListsAndRanges) {
  EXPECT_EQ(parse_sweep("training.seed=1..3").values, (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(parse_sweep("model.pooling=cls,mean").values,
            (std::vector<std::string>{"cls", "mean"}));
  EXPECT_EQ(parse_sweep("model.path=../a,../b").values, (std::vector<std::string>{"../a", "../b"}));
  for (const char* bad : {"", "=1", "a=", "a=1,,2", "a=1,1", "a=2..1", "a=x..3", "a=1..2000",
                          "a=-9223372036854775808..9223372036854775807"})
    EXPECT_THROW(parse_sweep(bad), UserError) << bad;
}

TEST(ParseSweep, SplitsAtCommasOutsideBrackets) {
  EXPECT_THAT(parse_sweep("model.path=a #b, c,\"d\"").values, ElementsAre("a #b", " c", "\"d\""));
  EXPECT_THAT(parse_sweep("data.train=[a,b],c,['x]','y,z']").values,
              ElementsAre("[a,b]", "c", "['x]','y,z']"));
  const std::string stages = "[{num_layers: 2, scope: segment}, {num_layers: 4, scope: example}]";
  EXPECT_THAT(parse_sweep("model.schedule=" + stages + ",[{num_layers: 6, scope: example}]").values,
              ElementsAre(stages, "[{num_layers: 6, scope: example}]"));
  // Brackets elsewhere are text.
  EXPECT_THAT(parse_sweep("model.path=a[b,c]").values, ElementsAre("a[b", "c]"));
}

TEST(ParseSweep, ValuesAreReadAsThoseOfSet) {
  const Sweep sweep = parse_sweep("data.train=a: b,[c, d]");
  std::vector<DataFiles> read;
  for (const std::string& value : sweep.values) {
    read.push_back(parse_config("task: sick\nmodel: {path: m}\n", "a.yaml",
                                {Override(sweep.key + "=" + value, "--sweep")})
                       .data.train);
  }
  EXPECT_THAT(read, ElementsAre(ElementsAre("a: b"), ElementsAre("c", "d")));
}

class SeedsOfARun : public TinyRun {
 protected:
  void SetUp() override { write_inputs(16, 5, 0, "steps: 1"); }
};

TEST_F(SeedsOfARun, EachHasAFolderAlsoForEachValueOfASweep) {
  ASSERT_EQ(train_into("alone", "--quiet --seeds 1,2").code, 0);
  for (const char* folder : {"seed=1", "seed=2"})
    EXPECT_TRUE(std::filesystem::exists(folder_ / "alone" / folder / "report.json")) << folder;
  ASSERT_EQ(train_into("both", "--quiet --sweep model.independent_layers=0,2 --seeds 3").code, 0);
  for (const char* folder :
       {"model.independent_layers=0,seed=3", "model.independent_layers=2,seed=3"})
    EXPECT_TRUE(std::filesystem::exists(folder_ / "both" / folder / "report.json")) << folder;
  const ShellResult evaluated =
      shell(program("lait-eval") + " --quiet --checkpoint " + path("alone"));
  EXPECT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_THAT(evaluated.out, testing::HasSubstr("mean of seeds 1 2"));
}

TEST_F(SeedsOfARun, MistakesAreNamed) {
  const ShellResult twice = train_into("run", "--seeds 1,1");
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, testing::HasSubstr("--seeds: expected each seed once"));
  const ShellResult both = train_into("run", "--sweep training.seed=1,2 --seeds 3");
  EXPECT_EQ(both.code, 2);
  EXPECT_THAT(both.err, testing::HasSubstr("--seeds: --sweep gives the seeds already"));
}

}  // namespace
}  // namespace lait
