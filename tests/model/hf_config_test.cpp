// config.json: what is read, what is refused with which message, and that transformers reads what
// is written.
#include "lait/model/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/model/family.h"
#include "tests/model/damaged_files.h"
#include "tests/oracles/oracle.h"

namespace lait {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::ordered_json;

// bert-base-uncased's file, plus a key that this build does not know.
Json base() {
  return Json::parse(
      R"({"architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.25,
    "gradient_checkpointing": false, "hidden_act": "gelu", "hidden_dropout_prob": 0.125,
    "hidden_size": 768, "initializer_range": 0.03, "intermediate_size": 3072,
    "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert",
    "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 0,
    "position_embedding_type": "absolute", "torch_dtype": "float16", "num_labels": 5,
    "my_own_key": {"kept": [1, 2]}, "type_vocab_size": 2, "use_cache": true,
    "vocab_size": 30522})");
}

constexpr const char* kArchitecture = "BertForSequenceClassification";

HfConfig read(const TemporaryFolder& dir, const std::string& text) {
  dir.write("config.json", text);
  return read_hf_config(dir.path());
}

TEST(HfConfig, ReadsEveryField) {
  TemporaryFolder dir;
  const HfConfig c = read(dir, base().dump());
  EXPECT_EQ(c.vocab_size, 30522);
  EXPECT_EQ(c.hidden_size, 768);
  EXPECT_EQ(c.num_hidden_layers, 12);
  EXPECT_EQ(c.num_attention_heads, 12);
  EXPECT_EQ(c.intermediate_size, 3072);
  EXPECT_EQ(c.max_position_embeddings, 512);
  EXPECT_EQ(c.type_vocab_size, 2);
  EXPECT_EQ(c.pad_token_id, 0);
  EXPECT_EQ(c.layer_norm_eps, 1e-12);
  EXPECT_EQ(c.hidden_dropout_prob, 0.125);
  EXPECT_EQ(c.attention_probs_dropout_prob, 0.25);
  EXPECT_EQ(c.initializer_range, 0.03);
  EXPECT_FALSE(c.classifier_dropout.has_value());
  EXPECT_EQ(c.raw, base());
}

TEST(HfConfig, OptionalFieldsHaveBertsDefaults) {
  TemporaryFolder dir;
  const HfConfig c =
      read(dir,
           R"({"model_type": "bert", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 128, "max_position_embeddings": 32,
    "classifier_dropout": null, "pruned_heads": {}})");
  EXPECT_EQ(c.type_vocab_size, 2);
  EXPECT_EQ(c.layer_norm_eps, 1e-12);
  EXPECT_EQ(c.hidden_dropout_prob, 0.1);
  EXPECT_EQ(c.attention_probs_dropout_prob, 0.1);
  EXPECT_EQ(c.initializer_range, 0.02);
  EXPECT_FALSE(c.classifier_dropout.has_value());
  Json json = base();
  json["classifier_dropout"] = 0.0;
  EXPECT_EQ(read(dir, json.dump()).classifier_dropout, 0.0);
}

struct BadField {
  const char* key;
  const char* value;  // JSON; empty: the key is removed
  std::string error;
};

TEST(HfConfig, RefusesWhatTheModelCannotBe) {
  TemporaryFolder dir;
  const std::string families = "model_type: expected one of {" + family_names() + "}, ";
  const BadField cases[] = {
      {"model_type", "\"xlnet\"",
       families + "got \"xlnet\"; use a checkpoint of a family that this build supports"},
      {"model_type", "", families + "got nothing; is this a Hugging Face model folder?"},
      {"model_type", "[\"bert\"]", families + "got [\"bert\"]"},
      {"hidden_act", "\"gelu_new\"",
       "hidden_act: expected \"gelu\", got 'gelu_new'; the kernels have exact (erf) GELU only"},
      {"position_embedding_type", "\"relative_key\"",
       "position_embedding_type: expected \"absolute\", got 'relative_key'"},
      {"is_decoder", "true", "is_decoder: expected false, got true"},
      {"add_cross_attention", "true", "add_cross_attention: expected false, got true"},
      {"pruned_heads", R"({"0": [1]})", "pruned_heads: expected {}, got an object"},
      {"quantization_config", R"({"bits": 4})",
       "quantization_config: expected nothing, got one; use the unquantised checkpoint"},
      {"num_attention_heads", "8",
       "hidden_size / num_attention_heads: head_dim must be one of {32, 64, 128}, got 96; "},
      {"num_attention_heads", "7",
       "hidden_size: expected a multiple of num_attention_heads 7, got 768"},
      {"num_attention_heads", "0",
       "num_attention_heads: expected a whole number from 1 to 256, got 0"},
      {"hidden_size", "", "hidden_size: expected a whole number from 1 to 65536, got nothing"},
      {"hidden_size", "-768", "hidden_size: expected a whole number from 1 to 65536, got -768"},
      {"hidden_size", "768.0", "hidden_size: expected a whole number from 1 to 65536, got 768.0"},
      {"hidden_size", "\"768\"", "hidden_size: expected a whole number from 1 to 65536, got '768'"},
      {"num_hidden_layers", "257",
       "num_hidden_layers: expected a whole number from 1 to 256, got 257"},
      {"max_position_embeddings", "65537",
       "max_position_embeddings: expected a whole number from 3 to 65536, got 65537"},
      {"max_position_embeddings", "2",
       "max_position_embeddings: expected a whole number from 3 to 65536, got 2"},
      {"vocab_size", "18446744073709551615",
       "vocab_size: expected a whole number from 1 to 16777216, got 18446744073709551615"},
      {"vocab_size", "9223372036854775807",
       "vocab_size: expected a whole number from 1 to 16777216"},
      {"type_vocab_size", "true",
       "type_vocab_size: expected a whole number from 1 to 65536, got true"},
      {"pad_token_id", "-1", "pad_token_id: expected a whole number from 0 to 16777216, got -1"},
      {"hidden_dropout_prob", "1",
       "hidden_dropout_prob: expected a number from 0 to less than 1, got 1"},
      {"attention_probs_dropout_prob", "-0.1",
       "attention_probs_dropout_prob: expected a number from 0 to less than 1, got -0.1"},
      {"classifier_dropout", "\"a\"",
       "classifier_dropout: expected a number from 0 to less than 1, got 'a'"},
      {"layer_norm_eps", "{}",
       "layer_norm_eps: expected a number from 0 to less than 1, got an object"},
  };
  for (const BadField& c : cases) {
    Json json = base();
    json.erase(c.key);
    if (*c.value) json[c.key] = Json::parse(c.value);
    SCOPED_TRACE(json.dump());
    const std::string error = error_of([&] { read(dir, json.dump()); });
    EXPECT_THAT(error, AllOf(StartsWith((dir / "config.json").string() + ": " + c.error),
                             Not(HasSubstr("\n"))));
  }
}

TEST(HfConfig, SaysAllMistakesAtOnce) {
  TemporaryFolder dir;
  Json json = base();
  json["hidden_act"] = "relu";
  json["hidden_dropout_prob"] = 2;
  json.erase("vocab_size");
  EXPECT_EQ(
      error_of([&] { read(dir, json.dump()); }),
      (dir / "config.json").string() +
          ":\n"
          "  hidden_act: expected \"gelu\", got 'relu'; the kernels have exact (erf) GELU only\n"
          "  vocab_size: expected a whole number from 1 to 16777216, got nothing\n"
          "  hidden_dropout_prob: expected a number from 0 to less than 1, got 2");
}

TEST(HfConfig, RefusesSizesThatOnlyADamagedFileHas) {
  TemporaryFolder dir;
  Json json = base();
  json["hidden_size"] = 32768;
  json["num_attention_heads"] = 256;
  json["num_hidden_layers"] = 256;
  EXPECT_THAT(error_of([&] { read(dir, json.dump()); }),
              HasSubstr("the sizes: expected a model of at most 2e+10 parameters, got "));
}

TEST(HfConfig, FilesThatAreNoConfig) {
  TemporaryFolder dir;
  EXPECT_THAT(error_of([&] { read_hf_config(dir.path()); }),
              StartsWith((dir / "config.json").string() + ": "));
  EXPECT_THAT(error_of([&] { read(dir, ""); }),
              HasSubstr("expected JSON, got something else at byte 1"));
  EXPECT_THAT(error_of([&] { read(dir, "[1]"); }), EndsWith("expected a JSON object, got array"));
  EXPECT_THAT(error_of([&] { read(dir, base().dump() + std::string("\0x", 2)); }),
              HasSubstr("got a NUL byte"));
  EXPECT_THAT(error_of([&] { read(dir, R"({"model_type": "bert", "model_type": "bert"})"); }),
              HasSubstr("expected each key once, got 'model_type' twice"));
  EXPECT_THAT(error_of([&] { read(dir, R"({"a": {"b": 1, "b": 2}})"); }),
              HasSubstr("got 'b' twice"));
  EXPECT_THAT(error_of([&] { read(dir, R"({"layer_norm_eps": 1e999})"); }),
              HasSubstr("got a number that is too large"));
  EXPECT_THAT(error_of([&] { read(dir, std::string(1'000'000, '[')); }),
              HasSubstr("expected JSON of at most 64 levels, got more"));
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(error_of([&] { read(dir, objects); }),
              HasSubstr("expected JSON of at most 64 levels, got more"));
}

TEST(HfConfig, MutatedFilesAreReadOrRefused) {
  TemporaryFolder dir;
  const std::string whole = base().dump();
  for (uint32_t seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    std::string text = whole;
    for (uint32_t edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % text.size();
      if (random() % 2)
        text[at] = static_cast<char>(random());
      else
        text.insert(at, 1, "0123456789-e[]{}\",:"[random() % 19]);
    }
    try {
      read(dir, text);
    } catch (const UserError&) {
    } catch (const std::exception& error) {
      FAIL() << "seed " << seed << ": expected a UserError, got " << error.what();
    }
  }
}

TEST(HfConfig, WritesAClassifierAndKeepsTheRest) {
  TemporaryFolder dir;
  HfConfig c = read(dir, base().dump());
  c.hidden_dropout_prob = 0;  // an override of the run
  write_hf_config(dir.path(), c, kArchitecture, HeadKind::kClassifier,
                  {"entailment", "neutral \xFF", "contradiction"});
  const Json json = Json::parse(read_file(dir / "config.json"));
  EXPECT_EQ(json["architectures"], Json::array({"BertForSequenceClassification"}));
  EXPECT_EQ(json["id2label"],
            Json::parse(R"({"0": "entailment", "1": "neutral �", "2": "contradiction"})"));
  EXPECT_EQ(json["label2id"],
            Json::parse(R"({"entailment": 0, "neutral �": 1, "contradiction": 2})"));
  EXPECT_EQ(json["problem_type"], "single_label_classification");
  EXPECT_EQ(json["my_own_key"], base()["my_own_key"]);
  EXPECT_EQ(json["torch_dtype"], "float32");
  EXPECT_FALSE(json.contains("num_labels"));
  EXPECT_FALSE(json.contains("dtype"));
  const HfConfig again = read_hf_config(dir.path());
  EXPECT_EQ(again.hidden_dropout_prob, 0);
  EXPECT_EQ(again.layer_norm_eps, 1e-12);
  EXPECT_EQ(again.vocab_size, c.vocab_size);
}

TEST(HfConfig, AConfigThatNeverWasAFileIsWrittenWhole) {
  TemporaryFolder dir;
  HfConfig c = read(dir, base().dump());
  c.raw = nullptr;
  write_hf_config(dir.path(), c, kArchitecture, HeadKind::kRegression, {});
  const HfConfig again = read_hf_config(dir.path());
  EXPECT_EQ(again.hidden_size, c.hidden_size);
  EXPECT_EQ(again.initializer_range, c.initializer_range);
  EXPECT_EQ(again.pad_token_id, c.pad_token_id);
  EXPECT_EQ(again.raw["problem_type"], "regression");
}

TEST(HfConfig, TransformersBuildsTheModelItSays) {
  if (!std::filesystem::exists(oracle::python()))
    GTEST_SKIP() << "no Python at " << oracle::python().string() << "; `make test` makes it";
  TemporaryFolder classifier, regression;
  const auto write = [](const TemporaryFolder& dir, const std::vector<std::string>& labels) {
    Json json = base();
    json.update(Json{{"hidden_size", 64},
                     {"num_attention_heads", 2},
                     {"num_hidden_layers", 1},
                     {"intermediate_size", 64},
                     {"vocab_size", 100}});
    HfConfig c = read(dir, json.dump());
    c.classifier_dropout = 0.5;
    write_hf_config(dir.path(), c, kArchitecture,
                    labels.empty() ? HeadKind::kRegression : HeadKind::kClassifier, labels);
  };
  write(classifier, {"a", "b", "c"});
  write(regression, {});
  const auto script = classifier.write(
      "build.py",
      "import sys\n"
      "from transformers import AutoConfig, AutoModelForSequenceClassification as A\n"
      "for folder in sys.argv[1:]:\n"
      "    c = AutoConfig.from_pretrained(folder)\n"
      "    m = A.from_config(c)\n"
      "    assert type(m).__name__ == 'BertForSequenceClassification', type(m)\n"
      "    print(c.num_labels, c.problem_type, c.id2label, m.classifier.out_features, "
      "m.dropout.p, sep='|')\n");
  const std::string command =
      "HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error '" + oracle::python().string() + "' '" +
      script.string() + "' '" + classifier.path().string() + "' '" + regression.path().string() +
      "' > '" + (classifier / "out").string() + "' 2> '" + (classifier / "log").string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << read_file(classifier / "log");
  EXPECT_EQ(read_file(classifier / "out"),
            "3|single_label_classification|{0: 'a', 1: 'b', 2: 'c'}|3|0.5\n"
            "1|regression|{0: 'LABEL_0'}|1|0.5\n");
}

}  // namespace
}  // namespace lait
