// The laws of packed computation for T5, bit for bit on the CPU, and how its checkpoints are read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "lait/checkpoint/safetensors.h"
#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/small_t5.h"

namespace lait {
namespace {

using testing::HasSubstr;

std::vector<int64_t> iota(int64_t size) {
  std::vector<int64_t> out(size);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

struct LawCase {
  const char* name;
  int64_t p;
  SegmentFormat format;
  HeadKind head;
  at::ScalarType dtype;
};
void PrintTo(const LawCase& c, std::ostream* out) { *out << c.name; }

class T5Laws : public testing::TestWithParam<LawCase> {
 protected:
  ModelSpec spec() const {
    return t5_spec(split_schedule(GetParam().p, 4), GetParam().format, GetParam().head);
  }
  Model model() const {
    return fresh_t5(folder_.path(), t5_config(/*gated=*/GetParam().p % 2 == 0), spec(),
                    GetParam().dtype);
  }
  at::Tensor outputs(Model& model, const Dataset& dataset, const std::vector<int64_t>& indices,
                     bool share = true) const {
    return model
        ->forward(model->to_batch(dataset, indices, model->spec.schedule,
                                  {.labels = false, .share_segments = share}),
                  {})
        .values;
  }

  at::NoGradGuard no_grad_;
  TemporaryFolder folder_;
};

TEST_P(T5Laws, BatchesAndSharingChangeNoBit) {
  constexpr int64_t kExamples = 11;
  Model model = this->model();
  const Dataset dataset = t5_dataset(model, t5_examples(/*seed=*/4, kExamples));
  const at::Tensor whole = outputs(model, dataset, iota(kExamples));
  ASSERT_TRUE(at::isfinite(whole).all().item<bool>());
  ASSERT_FALSE(at::equal(whole[0], whole[1])) << "the examples must differ";
  EXPECT_TRUE(at::equal(whole, outputs(model, dataset, iota(kExamples), /*share=*/false)));
  for (int64_t i = 0; i < kExamples; ++i)
    EXPECT_TRUE(at::equal(whole[i], outputs(model, dataset, {i})[0])) << "example " << i;
  const std::vector<int64_t> some{7, 2, 2, 9, 0};
  EXPECT_TRUE(at::equal(whole.index_select(0, at::tensor(some)), outputs(model, dataset, some)));
}

std::vector<LawCase> law_cases() {
  constexpr SegmentFormat kAlone = SegmentFormat::kStandalone, kPair = SegmentFormat::kPair;
  constexpr HeadKind kText = HeadKind::kText, kClassifier = HeadKind::kClassifier;
  return {{"pair_text", 0, kPair, kText, at::kFloat},
          {"p0_text", 0, kAlone, kText, at::kFloat},
          {"p1_text", 1, kAlone, kText, at::kFloat},
          {"p3_text", 3, kAlone, kText, at::kFloat},
          {"p4_text", 4, kAlone, kText, at::kFloat},
          {"p2_text_bf16", 2, kAlone, kText, at::kBFloat16},
          {"p4_text_bf16", 4, kAlone, kText, at::kBFloat16},
          {"p2_classifier", 2, kAlone, kClassifier, at::kFloat},
          {"p3_classifier_bf16", 3, kAlone, kClassifier, at::kBFloat16}};
}

INSTANTIATE_TEST_SUITE_P(Cases, T5Laws, testing::ValuesIn(law_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

class T5 : public testing::Test {
 protected:
  ModelSpec text_spec(int64_t p = 2) const {
    return t5_spec(split_schedule(p, 4), SegmentFormat::kStandalone, HeadKind::kText);
  }
  Model fresh(const ModelSpec& spec, bool gated = false, at::ScalarType dtype = at::kFloat) const {
    return fresh_t5(folder_ / "fresh", t5_config(gated), spec, dtype);
  }
  // The weights under Hugging Face's names.
  static std::vector<std::pair<std::string, at::Tensor>> tensors_of(const Model& model) {
    std::vector<std::pair<std::string, at::Tensor>> out;
    for (const ModelParameter& parameter : model->parameter_list()) {
      const int64_t size = parameter.tensor.size(0) / std::ssize(parameter.hf_names);
      for (const std::string& name : parameter.hf_names) {
        out.emplace_back(name, parameter.tensor.detach().narrow(
                                   0, size * (&name - parameter.hf_names.data()), size));
      }
    }
    return out;
  }
  std::filesystem::path write(const char* name, bool gated,
                              const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
    const std::filesystem::path dir = folder_ / name;
    std::filesystem::create_directories(dir);
    write_file(dir / "config.json", t5_config(gated).dump());
    write_safetensors(dir / "model.safetensors", tensors);
    return dir;
  }

  TemporaryFolder folder_;
};

// What a label's score is does not depend on the labels beside it.
TEST_F(T5, LabelsAreRankedByThemselves) {
  const at::NoGradGuard no_grad;
  const auto scores = [&](const std::vector<std::string>& labels) {
    ModelSpec spec = text_spec();
    spec.labels = labels;
    Model model = fresh(spec);
    const Dataset dataset = t5_dataset(model, t5_examples(/*seed=*/1, 5));
    return model->forward(model->to_batch(dataset, iota(5), spec.schedule, {.labels = false}), {})
        .values;
  };
  const at::Tensor all = scores({"17 18 19", "40", "41 300", "5 6 7 8 9 10 11 12"});
  EXPECT_TRUE(at::equal(all.narrow(1, 0, 2), scores({"17 18 19", "40"})));
  EXPECT_TRUE(at::equal(all.select(1, 2), scores({"41 300", "9"}).select(1, 0)));
}

// T5 overflows fp16: its residual stream has values of several thousands. bf16 holds them.
TEST_F(T5, LargeActivationsStayFiniteInBf16) {
  Model model = fresh(text_spec(), /*gated=*/true, at::kBFloat16);
  {
    const at::NoGradGuard no_grad;
    for (const ModelParameter& parameter : model->parameter_list()) {
      if (parameter.hf_names.front() == "encoder.block.0.layer.1.DenseReluDense.wo.weight")
        parameter.tensor.fill_(1e5);
    }
    model->refresh_shadows();
  }
  const Dataset dataset = t5_dataset(model, t5_examples(/*seed=*/1, 4));
  const DeviceBatch batch = model->to_batch(dataset, iota(4), model->spec.schedule);
  const at::Tensor loss = model->loss(model->forward(batch, {}), batch, {});
  EXPECT_TRUE(at::isfinite(loss).item<bool>());
  loss.backward();
  for (const ModelParameter& parameter : model->parameter_list())
    EXPECT_TRUE(at::isfinite(parameter.tensor.grad()).all().item<bool>()) << parameter.name;
}

TEST_F(T5, DropoutIsKeyedByTheExample) {
  Model model = fresh(text_spec());
  const Dataset dataset = t5_dataset(model, t5_examples(/*seed=*/2, 6));
  const Randomness training{.training = true, .seed = 5, .step = 7};
  const auto values = [&](const std::vector<int64_t>& indices, const Randomness& randomness) {
    const DeviceBatch batch = model->to_batch(dataset, indices, model->spec.schedule);
    const Outputs outputs = model->forward(batch, randomness);
    return outputs.values.narrow(0, outputs.offsets[0], outputs.offsets[1]).detach().clone();
  };
  const at::Tensor alone = values({3}, training);
  EXPECT_TRUE(at::equal(alone, values({3, 1, 5, 0}, training)));
  EXPECT_FALSE(at::equal(alone, values({3}, {})));
  EXPECT_FALSE(at::equal(alone, values({3}, {.training = true, .seed = 5, .step = 8})));
}

TEST_F(T5, FreshWeightsAreT5s) {
  const Model model = fresh(text_spec(), /*gated=*/true);
  const std::map<std::string, double> expected = {
      {"shared.weight", 1},
      {"lm_head.weight", 1},
      {"encoder.block.1.layer.0.SelfAttention.q.weight", 1 / std::sqrt(96. * 64)},
      {"encoder.block.1.layer.0.SelfAttention.k.weight", 1 / std::sqrt(96.)},
      {"encoder.block.1.layer.0.SelfAttention.v.weight", 1 / std::sqrt(96.)},
      {"encoder.block.1.layer.0.SelfAttention.o.weight", 1 / std::sqrt(3 * 64.)},
      {"decoder.block.1.layer.1.EncDecAttention.q.weight", 1 / std::sqrt(96. * 64)},
      {"decoder.block.1.layer.1.EncDecAttention.k.weight", 1 / std::sqrt(96.)},
      {"decoder.block.0.layer.2.DenseReluDense.wi_0.weight", 1 / std::sqrt(96.)},
      {"decoder.block.0.layer.2.DenseReluDense.wi_1.weight", 1 / std::sqrt(96.)},
      {"decoder.block.0.layer.2.DenseReluDense.wo.weight", 1 / std::sqrt(160.)}};
  size_t found = 0;
  for (const auto& [name, tensor] : tensors_of(model)) {
    if (name.find("norm") != name.npos) {
      EXPECT_TRUE(at::equal(tensor, at::ones_like(tensor))) << name;
    } else if (const auto known = expected.find(name); known != expected.end()) {
      EXPECT_NEAR(tensor.std().item<double>() / known->second, 1, 0.03) << name;
      EXPECT_NEAR(tensor.mean().item<double>() / known->second, 0, 0.03) << name;
      ++found;
    }
  }
  EXPECT_EQ(found, expected.size());
  const auto again = tensors_of(fresh(text_spec(), /*gated=*/true));
  for (const auto& [name, tensor] : tensors_of(model)) {
    const auto same = std::ranges::find(again, name, [](const auto& pair) { return pair.first; });
    EXPECT_TRUE(at::equal(tensor, same->second)) << name;
  }
}

// A tied table may be stored under any of its names, or under several.
TEST_F(T5, TiedTensorsAreStoredOnceOrTwice) {
  const Model model = fresh(text_spec());
  auto tensors = tensors_of(model);
  const at::Tensor shared = tensors.back().second;
  ASSERT_EQ(tensors.back().first, "shared.weight");
  const auto loaded = [&](const char* folder) {
    const Model read = load_pretrained(write(folder, false, tensors), text_spec(), {}, at::kFloat,
                                       /*seed=*/1);
    const auto found = tensors_of(read);
    return found.size() == tensors_of(model).size() && at::equal(found.back().second, shared);
  };
  EXPECT_TRUE(loaded("once"));
  tensors.emplace_back("encoder.embed_tokens.weight", shared.clone());
  tensors.emplace_back("decoder.embed_tokens.weight", shared.clone());
  tensors.emplace_back("lm_head.weight", shared.clone());
  tensors.emplace_back("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
                       at::zeros({32, 3}));
  EXPECT_TRUE(loaded("several"));
  std::erase_if(tensors, [](const auto& tensor) { return tensor.first == "shared.weight"; });
  EXPECT_TRUE(loaded("other"));
}

TEST_F(T5, MoreLayersThanTheConfigNamesAreRefused) {
  auto tensors = tensors_of(fresh(text_spec()));
  tensors.emplace_back("decoder.block.2.layer.0.layer_norm.weight", at::ones({96}));
  const auto dir = write("more", false, tensors);
  EXPECT_THAT(error_of([&] { load_pretrained(dir, text_spec(), {}, at::kFloat, 1); }),
              HasSubstr("unexpected (1): 'decoder.block.2.layer.0.layer_norm.weight'"));
  // A classifier reads the encoder alone.
  const ModelSpec classifier =
      t5_spec(split_schedule(2, 4), SegmentFormat::kStandalone, HeadKind::kClassifier);
  EXPECT_EQ(load_pretrained(dir, classifier, {}, at::kFloat, 1)->decoder, nullptr);
}

TEST_F(T5, WhatItHasNotIsRefused) {
  ModelSpec spec = text_spec();
  const HfConfig config = fresh(spec)->config;
  spec.head = HeadKind::kClassifier;
  spec.pooling = Pooling::kClsSegments;
  EXPECT_THAT(error_of([&] { spec.check(config, ""); }),
              HasSubstr("model.pooling: cls_segments reads an example's first token, and t5 has "
                        "none like [CLS]; use segments or mean"));
  spec = text_spec();
  spec.head = HeadKind::kSpan;
  EXPECT_THAT(error_of([&] { spec.check(config, ""); }), HasSubstr("model.head: span reads"));
  const SmallBert bert;
  ModelSpec text = bert.spec(2, SegmentFormat::kStandalone, Pooling::kMean);
  text.head = HeadKind::kText;
  EXPECT_THAT(error_of([&] { text.check(bert.config(), ""); }),
              HasSubstr("model.head: text needs a decoder, and bert has none"));
}

TEST_F(T5, ConfigsThatItCannotComputeAreRefused) {
  const auto problem = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json config = t5_config(false);
    config[key] = value;
    write_file(folder_ / "config.json", config.dump());
    return error_of([&] { read_hf_config(folder_.path()); });
  };
  EXPECT_THAT(problem("feed_forward_proj", "gated-silu"), HasSubstr("feed_forward_proj"));
  EXPECT_THAT(problem("d_kv", 48), HasSubstr("d_kv: head_dim must be one of"));
  EXPECT_THAT(problem("relative_attention_num_buckets", 31), HasSubstr("an even number"));
  EXPECT_THAT(problem("num_layers", 1000), HasSubstr("num_layers"));
  EXPECT_EQ(problem("d_kv", 32), "");
}

}  // namespace
}  // namespace lait
