// LoRA: the adapters' outputs and gradients by the formula, merging, and what stays as it was.
#include "lait/model/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/base/error_of.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

class LoraTest : public testing::Test {
 protected:
  // With B filled, so that the adapters do something.
  Model adapted(const NameList& targets, double dropout = 0, at::ScalarType dtype = at::kFloat) {
    Model model = bert_.model(spec_, dtype);
    add_lora(model, {.rank = 4, .alpha = 8, .dropout = dropout, .targets = targets, .seed = 3});
    const at::NoGradGuard no_grad;
    for (ModelParameter& p : lora_parameters(*model)) {
      if (p.name.ends_with("lora_B.weight")) fill_normal(p.tensor, 5, 0.05);
    }
    return model;
  }
  at::Tensor loss(Model& model, const Randomness& randomness = {}) {
    batch_ = model->to_batch(dataset_, std::vector<int64_t>{0, 1, 2, 3, 4, 5}, spec_.schedule);
    return model->loss(model->forward(batch_, randomness), batch_, {});
  }
  const SmallBert bert_{{.dropout = 0.1}};
  const ModelSpec spec_ = bert_.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  const Dataset dataset_ = bert_.dataset(spec_, bert_.random_examples(3, 8));
  DeviceBatch batch_;
};

// With dL/dW of the merged model: dL/dB = s dL/dW A^T, dL/dA = s B^T dL/dW.
TEST_F(LoraTest, OutputsAndGradientsAreTheMergedModels) {
  for (const NameList& targets :
       {NameList{"query", "value"}, NameList{"key"}, NameList{"query", "key", "value", "dense"}}) {
    Model model = adapted(targets), whole = bert_.model(spec_, at::kFloat);
    const at::Tensor mine = loss(model);
    mine.backward();
    {
      const MergedLora merged(model);
      const at::NoGradGuard no_grad;
      for (size_t i = 0; i < whole->parameter_list().size(); ++i) {
        at::Tensor weight = whole->parameter_list()[i].tensor;
        weight.copy_(model->parameter_list()[i].tensor);
      }
      whole->refresh_shadows();
    }
    const at::Tensor theirs = loss(whole);
    theirs.backward();
    EXPECT_NEAR(mine.item<double>(), theirs.item<double>(), 1e-5);
    std::map<std::string, at::Tensor> full;
    for (const ModelParameter& p : whole->parameter_list()) {
      const int64_t rows = p.tensor.size(0) / std::ssize(p.hf_names);
      for (size_t i = 0; i < p.hf_names.size(); ++i) {
        if (p.tensor.grad().defined())
          full[p.hf_names[i]] = p.tensor.grad().narrow(0, static_cast<int64_t>(i) * rows, rows);
      }
    }
    std::map<std::string, at::Tensor> adapters;
    for (const ModelParameter& p : lora_parameters(*model)) adapters[p.name] = p.tensor;
    EXPECT_EQ(adapters.size(), 2 * 4 * (targets.size() == 4 ? 6 : targets.size()));
    for (const auto& [name, a] : adapters) {
      const size_t end = name.find(".lora_A");
      if (end == name.npos) continue;
      const at::Tensor &b = adapters.at(name.substr(0, end) + ".lora_B.weight"),
                       gradient = full.at(name.substr(0, end) + ".weight");
      EXPECT_TRUE(at::allclose(b.grad(), 2 * gradient.mm(a.detach().t()), 1e-3, 1e-6)) << name;
      EXPECT_TRUE(at::allclose(a.grad(), 2 * b.detach().t().mm(gradient), 1e-3, 1e-6)) << name;
    }
  }
}

TEST_F(LoraTest, OnlyAdaptersAndHeadAreTrained) {
  Model model = adapted({"query", "value"}, 0.1);
  loss(model, {.training = true, .seed = 1}).backward();
  for (const ModelParameter& p : model->parameter_list()) {
    const bool head = p.role.part == ParameterRole::Part::kHead;
    EXPECT_EQ(p.tensor.grad().defined(), head) << p.name;
  }
  for (const ModelParameter& p : lora_parameters(*model))
    EXPECT_GT(p.tensor.grad().abs().max().item<double>(), 0) << p.name;
}

TEST_F(LoraTest, BeginsAsThePretrainedModelAndComesBackToIt) {
  Model plain = bert_.model(spec_, at::kFloat), model = bert_.model(spec_, at::kFloat);
  add_lora(model, {.rank = 2, .targets = {"query", "value"}});
  EXPECT_EQ(loss(model).item<float>(), loss(plain).item<float>());
  model = adapted({"dense", "key"});
  const float adapters = loss(model).item<float>();
  {
    const MergedLora merged(model);
    EXPECT_NEAR(loss(model).item<float>(), adapters, 1e-5);
    EXPECT_NE(lora_base_sum(*model), lora_base_sum(*adapted({"dense", "key"})));
  }
  EXPECT_EQ(loss(model).item<float>(), adapters);
  EXPECT_EQ(lora_base_sum(*model), lora_base_sum(*adapted({"dense", "key"})));
  for (size_t i = 0; i < plain->parameter_list().size(); ++i)
    EXPECT_TRUE(at::equal(plain->parameter_list()[i].tensor, model->parameter_list()[i].tensor));
}

// Masks are functions of unit and position.
TEST_F(LoraTest, DropoutDoesNotDependOnTheBatch) {
  Model model = adapted({"query", "value", "dense"}, 0.5);
  const auto logits = [&](const std::vector<int64_t>& examples) {
    const DeviceBatch batch = model->to_batch(dataset_, examples, spec_.schedule);
    return model->forward(batch, {.training = true, .seed = 2, .step = 9}).values.detach();
  };
  const at::Tensor all = logits({0, 1, 2, 3}), one = logits({2});
  EXPECT_TRUE(at::allclose(all[2], one[0], 1e-4, 1e-5)) << all[2] << one[0];
  EXPECT_FALSE(at::allclose(
      all,
      model
          ->forward(model->to_batch(dataset_, std::vector<int64_t>{0, 1, 2, 3}, spec_.schedule), {})
          .values,
      1e-2, 1e-3));
}

TEST_F(LoraTest, Bf16IsNearFloat) {
  Model low = adapted({"query", "value", "dense"}, 0, at::kBFloat16),
        high = adapted({"query", "value", "dense"});
  EXPECT_NEAR(loss(low).item<double>(), loss(high).item<double>(), 0.05);
}

TEST_F(LoraTest, FrozenLayersGetNoneAndUnknownTargetsAreSaid) {
  Model model = bert_.model(spec_, at::kFloat);
  model->freeze({.embeddings = true, .layers = {true, true, false, false}});
  add_lora(model, {.rank = 2, .targets = {"query"}});
  for (const ModelParameter& p : lora_parameters(*model)) EXPECT_GE(p.role.layer, 2) << p.name;
  EXPECT_EQ(lora_parameters(*model).size(), 4u);
  Model other = bert_.model(spec_, at::kFloat);
  EXPECT_THAT(error_of([&] {
                add_lora(other, {.targets = {"query", "q_proj"}});
              }),
              testing::HasSubstr("training.lora.targets: expected ends of the layers' modules "
                                 "(dense, key, query, value), got 'q_proj'"));
}

}  // namespace
}  // namespace lait
