// Fuzz targets of lait/model: safetensors, config.json, the index of shards, lait.yaml.
#include <ATen/ops/ones.h>

#include <set>

#include "lait/base/files.h"
#include "lait/checkpoint/checkpoint_tensors.h"
#include "lait/checkpoint/safetensors_header.h"
#include "lait/model/hf_config.h"
#include "lait/model/model.h"
#include "tests/base/temporary_folder.h"
#include "tests/fuzz/fuzz.h"

namespace lait {
namespace {

std::string safetensors_file(const TemporaryFolder& folder) {
  write_safetensors(folder / "seed", {{"a", at::ones({2, 3})},
                                      {"b", at::ones({4}).to(at::kByte)},
                                      {"c", at::ones({1, 1}).to(at::kBool)},
                                      {"empty", at::ones({0, 7})}});
  return read_file(folder / "seed");
}

// In half of the inputs sets the header's length to fit again, because most edits would only break
// that.
void mend_length(std::string& bytes, const std::string& seed) {
  uint64_t header = 0;
  std::memcpy(&header, seed.data(), sizeof(header));
  const size_t data = seed.size() - sizeof(header) - header;
  if (bytes.size() < sizeof(header) + data || bytes.size() % 2 == 0) return;
  header = bytes.size() - sizeof(header) - data;
  std::memcpy(bytes.data(), &header, sizeof(header));
}

TEST(Fuzz, Safetensors) {
  const TemporaryFolder folder;
  const std::string seed = safetensors_file(folder);
  fuzz(Mutator({seed}, {"\"shape\":[0]", "\"dtype\":\"F64\"", "\"data_offsets\":[0,24]",
                        "\"__metadata__\":{\"a\":\"b\"},", "\"x\":", "9223372036854775808"}),
       [&](std::string bytes) {
         mend_length(bytes, seed);
         const SafetensorsFile file(folder.write("a.safetensors", bytes));
         for (const TensorInfo& info : file.tensors()) {
           const at::Tensor tensor = file.tensor(info.name);
           if (tensor.nbytes() != info.end - info.begin || info.end > bytes.size())
             throw std::logic_error("a tensor out of the file");
           // Every byte can be read.
           if (tensor.numel() > 0) tensor.to(at::kDouble).sum().item<double>();
         }
       });
}

TEST(Fuzz, HfConfig) {
  const TemporaryFolder folder;
  const char* const kConfig =
      R"({"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", )"
      R"("vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 4,)"
      R"( "num_attention_heads": 2, "intermediate_size": 128, "max_position_embeddings": 256, )"
      R"("type_vocab_size": 2, "layer_norm_eps": 1e-12,)"
      R"( "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, )"
      R"("classifier_dropout": null, "pad_token_id": 0, "is_decoder": false, "num_labels": 2, )"
      R"("id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}})";
  fuzz(Mutator({kConfig},
               {"\"hidden_size\": ", "\"model_type\": ", "\"pruned_heads\": ", "{}", "[]", "65536",
                "0.5", "\"lait\"", "\"base_model_type\": \"bert\", ", "\"LABEL_0\"", "\"1\": "}),
       [&](const std::string& bytes) {
         folder.write("config.json", bytes);
         const HfConfig config = read_hf_config(folder.path());
         if (config.hidden_size % config.num_attention_heads != 0 ||
             config.family->num_parameters(config) > 1e12)
           throw std::logic_error("a model that cannot be");
         if (std::set(config.labels.begin(), config.labels.end()).size() != config.labels.size())
           throw std::logic_error("two labels of one name");
       },
       {.message_may_have_lines = true});
}

TEST(Fuzz, ShardIndex) {
  const TemporaryFolder folder;
  folder.write("s1", safetensors_file(folder));
  fuzz(Mutator(
           {R"({"metadata": {"total_size": 28}, "weight_map": {"a": "s1", "b": "s1", "c": "s1"}})"},
           {"\"weight_map\": ", "\"s1\"", "\"a\": ", "\"../seed\"", "\"/dev/zero\"", "{}"}),
       [&](const std::string& bytes) {
         folder.write("model.safetensors.index.json", bytes);
         const CheckpointTensors tensors(folder.path(), find_family("bert")->tensor_names());
         for (const std::string& name : tensors.names()) tensors.tensor(name);
       });
}

// What is written can be read, whatever the labels are.
TEST(LaitYaml, RoundTripOfStrangeLabels) {
  const TemporaryFolder folder;
  const ModelSpec spec{.schedule = {{2, Scope::kSegment}, {2, Scope::kExample}},
                       .max_segment_tokens = 128,
                       .task = "jsonl",
                       .labels = {"null", "~",        "true", "3",  "-1e5", " a ", "a\nb", "\x01",
                                  "\x7F", "\"q'",     "&a",   "*a", "- a",  "{x}", "[y",   "#",
                                  "a: b", "\xC3\xA9", "\t",   "!t", "---",  "|"}};
  folder.write("lait.yaml", write_spec(spec));
  EXPECT_EQ(read_spec(folder.path()).labels, spec.labels);
}

TEST(Fuzz, LaitYaml) {
  const TemporaryFolder folder;
  const ModelSpec spec{.schedule = {{2, Scope::kSegment}, {2, Scope::kExample}},
                       .max_segment_tokens = 128,
                       .task = "jsonl",
                       .labels = {"entails", "yes: no", "#3", "4"}};
  fuzz(
      Mutator({write_spec(spec)},
              {"labels:", "\n  - x", "schedule: ", "{num_layers: 1, scope: group}",
               "segment_format: pair", "head: regression", "- ", "? ", "|", "{? ["}),
      [&](const std::string& bytes) {
        folder.write("lait.yaml", bytes);
        const ModelSpec read = read_spec(folder.path());
        if (read.schedule.empty() || (read.head == HeadKind::kClassifier && read.labels.size() < 2))
          throw std::logic_error("a spec without a model");
      },
      {.message_may_have_lines = true});
}

}  // namespace
}  // namespace lait
