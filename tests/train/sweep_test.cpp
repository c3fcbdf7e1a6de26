// The values of --sweep: split at commas, but not within a list.
#include "train/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/error.h"
#include "lait/config/read.h"

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

}  // namespace
}  // namespace lait
