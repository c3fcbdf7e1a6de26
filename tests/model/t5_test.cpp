// T5 against transformers: states, log-probabilities, loss, gradients, the labels' scores, of
// random models of both forms, at every number of independent layers.
#include <gtest/gtest.h>

#include <numeric>

#include "lait/model/generate.h"
#include "tests/model/t5_oracle.h"

namespace lait {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-4;
struct ParityCase {
  const char* shape;
  const char* name;
  int64_t p;
};
void PrintTo(const ParityCase& c, std::ostream* out) { *out << c.shape << ' ' << c.name; }

class T5Parity : public testing::TestWithParam<ParityCase> {};

double relative(const at::Tensor& a, const at::Tensor& b) {
  return oracle::max_difference(a, b) / b.abs().max().item<double>();
}

TEST_P(T5Parity, StatesLossGradientsAndScores) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const ParityCase c = GetParam();
  const T5Oracle& oracle = T5Oracle::get(c.shape);
  const auto expected = [&](const std::string& name) {
    return oracle.tensors.at(std::string(c.name) + "." + name);
  };
  Model model = oracle.model(c.p, /*pair=*/std::string(c.name) == "pair");
  const Dataset dataset = oracle.dataset(model);
  std::vector<int64_t> all(dataset.size());
  std::iota(all.begin(), all.end(), 0);
  const Schedule& schedule = model->spec.schedule;

  {
    at::NoGradGuard no_grad;
    const at::Tensor rows = example_rows(model, whole_batch(model, dataset, all));
    const at::Tensor states = expected("states");
    EXPECT_LE(relative(rows.narrow(0, 0, states.size(0)), states), kTolerance);
    const Outputs ranked =
        model->forward(model->to_batch(dataset, all, schedule, {.labels = false}), {});
    EXPECT_LE(relative(ranked.values, expected("scores")), kTolerance);
  }

  const DeviceBatch batch = model->to_batch(dataset, all, schedule);
  const Outputs outputs = model->forward(batch, {});
  std::vector<int64_t> targets;
  for (const json& e : oracle.cases.at("examples"))
    for (const json& token : e.at("label")) targets.push_back(token);
  const at::Tensor log_p =
      at::log_softmax(expected("logits"), 1).gather(1, at::tensor(targets).unsqueeze(1));
  EXPECT_LE(relative(outputs.values, log_p), kTolerance);
  const at::Tensor loss = model->loss(outputs, batch, {});
  EXPECT_NEAR(loss.item<double>(), expected("loss").item<double>(),
              kTolerance * expected("loss").item<double>());
  loss.backward();
  size_t compared = 0;
  for (const ModelParameter& parameter : model->parameter_list()) {
    const at::Tensor gradient = parameter.tensor.grad();
    ASSERT_TRUE(gradient.defined()) << parameter.name;
    const int64_t size = gradient.size(0) / std::ssize(parameter.hf_names);
    for (size_t i = 0; i < parameter.hf_names.size(); ++i, ++compared) {
      const at::Tensor part = gradient.narrow(0, static_cast<int64_t>(i) * size, size);
      EXPECT_LE(relative(part, expected("grad." + parameter.hf_names[i])), kTolerance)
          << parameter.hf_names[i];
    }
  }
  size_t gradients = 0;
  for (const auto& [name, tensor] : oracle.tensors)
    gradients += name.starts_with(std::string(c.name) + ".grad.");
  EXPECT_EQ(compared, gradients);
}

TEST(T5Generation, IsTransformers) {
  LAIT_SKIP_WITHOUT_ORACLE();
  for (const char* shape : {"relu", "gated"}) {
    const T5Oracle& oracle = T5Oracle::get(shape);
    Model model = oracle.model(0, /*pair=*/true);
    const Dataset dataset = oracle.dataset(model);
    std::vector<int64_t> all(dataset.size());
    std::iota(all.begin(), all.end(), 0);
    const Schedule& schedule = model->spec.schedule;
    const DeviceBatch batch = model->to_batch(dataset, all, schedule, {.labels = false});
    const auto made = generate(model, batch, {.end_token = 1, .max_tokens = 8});
    const at::Tensor expected = oracle.tensors.at("pair.generated");
    for (size_t i = 0; i < made.size(); ++i) {
      std::vector<int32_t> tokens;
      for (int64_t t = 0; t < 8; ++t) {
        const auto token = expected[static_cast<int64_t>(i)][t].item<int64_t>();
        if (token == 1) break;
        tokens.push_back(static_cast<int32_t>(token));
      }
      EXPECT_EQ(made[i], tokens) << shape << ", example " << i;
    }
    // Alone as in a batch.
    EXPECT_EQ(
        generate(model,
                 model->to_batch(dataset, std::vector<int64_t>{2}, schedule, {.labels = false}),
                 {.end_token = 1, .max_tokens = 8})[0],
        made[2]);
  }
}

std::vector<ParityCase> parity_cases() {
  std::vector<ParityCase> out;
  for (const char* shape : {"relu", "gated"}) {
    out.push_back({shape, "pair", 0});
    for (const auto& [name, p] : {std::pair{"p0", 0}, {"p1", 1}, {"p2", 2}, {"p3", 3}, {"p4", 4}})
      out.push_back({shape, name, p});
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Shapes, T5Parity, testing::ValuesIn(parity_cases()), [](const auto& info) {
  return std::string(info.param.shape) + "_" + info.param.name;
});

}  // namespace
}  // namespace lait
