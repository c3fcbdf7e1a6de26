// The names in config.json.
#include <gtest/gtest.h>

#include "lait/base/files.h"
#include "lait/model/family.h"
#include "lait/model/hf_config.h"
#include "tests/model/damaged_files.h"

namespace lait {
namespace {

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

// transformers' "gelu_python" is erf's GELU, written in Python.
TEST(HfNames, GeluInPythonIsGelu) {
  const TemporaryFolder dir;
  Json json = base();
  json["hidden_act"] = "gelu_python";
  for (const Family* family : all_families()) {
    json["model_type"] = family->model_type();
    EXPECT_EQ(read(dir, json).family, family);
  }
}

}  // namespace
}  // namespace lait
