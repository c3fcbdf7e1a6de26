// The names in config.json: of labels, model types and activations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/base/files.h"
#include "lait/model/family.h"
#include "lait/model/hf_config.h"
#include "lait/model/hf_labels.h"
#include "tests/model/damaged_files.h"

namespace lait {
namespace {

using ::testing::EndsWith;
using Json = nlohmann::ordered_json;

Json base() {
  return {{"model_type", "bert"},   {"hidden_act", "gelu"},           {"hidden_size", 64},
          {"num_hidden_layers", 2}, {"num_attention_heads", 2},       {"intermediate_size", 128},
          {"vocab_size", 100},      {"max_position_embeddings", 256}, {"type_vocab_size", 2}};
}

HfConfig read(const TemporaryFolder& dir, const Json& json) {
  dir.write("config.json", json.dump());
  return read_hf_config(dir.path());
}

TEST(HfModelType, AModelThatTransformersLacksNamesItsFamily) {
  TemporaryFolder dir;
  const HfConfig c = read(dir, base());
  write_hf_config(dir.path(), c, /*architecture=*/"", HeadKind::kClassifier, {"a", "b"},
                  {{"auto_map", {{"AutoConfig", "modeling_lait.LaitConfig"}}}, {"lait", {1}}});
  Json json = Json::parse(read_file(dir / "config.json"));
  EXPECT_EQ(json["model_type"], "lait");
  EXPECT_EQ(json["base_model_type"], "bert");
  EXPECT_EQ(json["architectures"], Json::array({"LaitForSequenceClassification"}));
  const HfConfig again = read_hf_config(dir.path());
  EXPECT_EQ(again.family, find_family("bert"));
  // A stock model that was trained from it has none of that.
  write_hf_config(dir.path(), again, "BertForSequenceClassification", HeadKind::kClassifier,
                  {"a", "b"});
  const Json stock = Json::parse(read_file(dir / "config.json"));
  EXPECT_EQ(stock["model_type"], "bert");
  for (const char* key : {"base_model_type", "auto_map", "lait"}) EXPECT_FALSE(stock.contains(key));
  for (const Json& type : {Json("lait"), Json("xlnet"), Json(3)}) {
    json["base_model_type"] = type;
    EXPECT_EQ(error_of([&] { read(dir, json); }),
              (dir / "config.json").string() + ": base_model_type: expected one of {" +
                  family_names() + "} beside model_type \"lait\", got " + type.dump() +
                  "; use a checkpoint of a family that this build supports");
  }
  json.erase("base_model_type");
  EXPECT_THAT(error_of([&] { read(dir, json); }),
              EndsWith("beside model_type \"lait\", got nothing; is the file damaged?"));
}

TEST(HfLabels, AreReadByIndex) {
  TemporaryFolder dir;
  Json json = base();
  const auto labels = [&](const Json& id2label, const Json& label2id) {
    json["id2label"] = id2label;
    json["label2id"] = label2id;
    return read(dir, json).labels;
  };
  const Json names = {{"1", "yes"}, {"0", "no"}, {"2", 3}};
  EXPECT_THAT(labels(nullptr, nullptr), testing::IsEmpty());
  EXPECT_THAT(labels(names, nullptr), testing::ElementsAre("no", "yes", "3"));
  EXPECT_THAT(labels(names, {{"yes", 1}, {"3", "2"}, {"no", 0}}),
              testing::ElementsAre("no", "yes", "3"));
  // transformers writes its default beside names that were set without it.
  EXPECT_THAT(labels(names, {{"LABEL_0", 0}, {"LABEL_1", 1}}),
              testing::ElementsAre("no", "yes", "3"));
  EXPECT_THAT(error_of([&] {
                labels({{"0", "LABEL_1"}, {"1", "LABEL_0"}}, {{"LABEL_0", 0}, {"LABEL_1", 1}});
              }),
              EndsWith("label2id: expected 0 for 'LABEL_1', as id2label says, got 1"));
  EXPECT_THAT(error_of([&] {
                labels(names, {{"no", 1}, {"yes", 0}, {"3", 2}});
              }),
              EndsWith("label2id: expected 0 for 'no', as id2label says, got 1"));
  EXPECT_THAT(error_of([&] {
                labels(names, {{"no", 0}, {"yes", 1}});
              }),
              EndsWith("label2id: expected 2 for '3', as id2label says, got none"));
  EXPECT_THAT(error_of([&] {
                labels(names, {{"no", 0}, {"yes", 1}, {"3", 2}, {"x", 3}});
              }),
              EndsWith("label2id: expected the 3 labels of id2label, got 4"));
  json["num_labels"] = 2;
  EXPECT_THAT(error_of([&] { labels(names, nullptr); }),
              EndsWith("num_labels: expected 3, the number of labels in id2label, got 2"));
  EXPECT_THAT(labels(nullptr, nullptr), testing::ElementsAre("LABEL_0", "LABEL_1"));
  json["num_labels"] = "2";
  EXPECT_THAT(error_of([&] { labels(nullptr, nullptr); }), testing::HasSubstr("num_labels: "));
}

TEST(HfLabels, GapsDoublesAndOtherTypesAreRefused) {
  const TemporaryFolder dir;
  const std::pair<const char*, const char*> cases[] = {
      {R"(["a", "b"])", "expected an object of names by index, got a list"},
      {R"({"0": "a", "2": "b"})", "expected the keys 0 to 1, got no '1'"},
      {R"({"0": "a", "one": "b"})", "expected the keys 0 to 1, got no '1'"},
      {R"({"0": "a", "01": "b"})", "expected the keys 0 to 1, got no '1'"},
      {R"({"0": "a", "1": null})", "expected a text for each index, got null for 1"},
      {R"({"0": "a", "1": "b", "2": "a"})", "expected each name once, got 'a' twice"}};
  for (const auto& [value, error] : cases) {
    Json json = base();
    json["id2label"] = Json::parse(value);
    EXPECT_EQ(error_of([&] { read(dir, json); }),
              (dir / "config.json").string() + ": id2label: " + error);
  }
}

// transformers' "gelu_python" is erf's GELU, written in Python.
TEST(HfNames, GeluInPythonIsGelu) {
  const TemporaryFolder dir;
  Json json = base();
  json["hidden_act"] = "gelu_python";
  for (const char* family : {"bert", "mpnet", "roberta"}) {
    json["model_type"] = family;
    EXPECT_EQ(read(dir, json).family, find_family(family));
  }
}

}  // namespace
}  // namespace lait
