// T5 against transformers: states, log-probabilities, loss, gradients, the labels' scores and
// greedy decoding, of random models. Small ones of both forms at every number of independent
// layers, and those of published shapes at three, in examples that reach the last buckets of
// distances.
#include <gtest/gtest.h>

#include <numeric>

#include "lait/model/generate.h"
#include "tests/base/temporary_folder.h"
#include "tests/model/t5_oracle.h"

namespace lait {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-4;
constexpr GenerateOptions kGreedy{.end_token = 1, .max_tokens = 8};

double relative(const at::Tensor& a, const at::Tensor& b) {
  return oracle::max_difference(a, b) / b.abs().max().item<double>();
}

std::vector<int64_t> all_of(const Dataset& dataset) {
  std::vector<int64_t> all(dataset.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// What is in a row of the oracle's tokens before the end token.
std::vector<int32_t> text_of(const at::Tensor& row) {
  std::vector<int32_t> tokens;
  for (int64_t t = 0; t < row.size(0); ++t) {
    const auto token = row[t].item<int32_t>();
    if (token == kGreedy.end_token) break;
    tokens.push_back(token);
  }
  return tokens;
}

// One number of independent layers.
class Comparison {
 public:
  Comparison(const T5Oracle& oracle, const std::string& name, int64_t p)
      : oracle_(oracle),
        name_(name),
        model_(oracle.model(p, /*pair=*/name == "pair")),
        dataset_(oracle.dataset(model_)),
        all_(all_of(dataset_)) {}

  void expect_equal_predictions() {
    at::NoGradGuard no_grad;
    const at::Tensor rows = example_rows(model_, whole_batch(model_, dataset_, all_));
    const at::Tensor states = expected("states");
    EXPECT_LE(relative(rows.narrow(0, 0, states.size(0)), states), kTolerance);
    const DeviceBatch batch =
        model_->to_batch(dataset_, all_, model_->spec.schedule, {.labels = false});
    // Each by itself: a long label's are much larger.
    const at::Tensor scores = expected("scores");
    EXPECT_LE(relative(model_->forward(batch, {}).values / scores, at::ones_like(scores)),
              kTolerance);
    const auto made = generate(model_, batch, kGreedy);
    const at::Tensor generated = expected("generated");
    for (size_t i = 0; i < made.size(); ++i)
      EXPECT_EQ(made[i].tokens, text_of(generated[static_cast<int64_t>(i)])) << "example " << i;
  }

  void expect_equal_loss_and_gradients() {
    const DeviceBatch batch = model_->to_batch(dataset_, all_, model_->spec.schedule);
    const Outputs outputs = model_->forward(batch, {});
    std::vector<int64_t> targets;
    for (const json& e : oracle_.cases.at("examples"))
      for (const json& token : e.at("label")) targets.push_back(token);
    const at::Tensor log_p =
        at::log_softmax(expected("logits"), 1).gather(1, at::tensor(targets).unsqueeze(1));
    EXPECT_LE(relative(outputs.values, log_p), kTolerance);
    const at::Tensor loss = model_->loss(outputs, batch, {});
    EXPECT_LE(relative(loss.reshape({1}), expected("loss")), kTolerance);
    loss.backward();
    size_t compared = 0;
    for (const ModelParameter& parameter : model_->parameter_list()) {
      const at::Tensor gradient = parameter.tensor.grad();
      ASSERT_TRUE(gradient.defined()) << parameter.name;
      const int64_t size = gradient.size(0) / std::ssize(parameter.hf_names);
      for (size_t i = 0; i < parameter.hf_names.size(); ++i, ++compared) {
        expect_equal_gradient(parameter.hf_names[i],
                              gradient.narrow(0, static_cast<int64_t>(i) * size, size));
      }
    }
    size_t gradients = 0;
    for (const auto& [name, tensor] : oracle_.tensors)
      gradients += name.starts_with(name_ + ".grad.");
    EXPECT_EQ(compared, gradients);
  }

 private:
  const at::Tensor& expected(const std::string& name) const {
    return oracle_.tensors.at(name_ + "." + name);
  }

  void expect_equal_gradient(const std::string& name, const at::Tensor& gradient) const {
    const auto rows = oracle_.tensors.find("rows." + name);
    if (rows == oracle_.tensors.end()) {
      EXPECT_LE(relative(gradient, expected("grad." + name)), kTolerance) << name;
      return;
    }
    EXPECT_LE(relative(gradient.index_select(0, rows->second), expected("grad." + name)),
              kTolerance)
        << name;
    const at::Tensor& signs = oracle_.tensors.at("signs." + name);
    EXPECT_LE(relative(at::matmul(signs.to(at::kDouble), gradient.to(at::kDouble)),
                       expected("sum." + name)),
              kTolerance)
        << name;
  }

  const T5Oracle& oracle_;
  std::string name_;
  Model model_;
  Dataset dataset_;
  std::vector<int64_t> all_;
};

struct ParityCase {
  const char* shape;
  const char* name;
  int64_t p;
};
void PrintTo(const ParityCase& c, std::ostream* out) { *out << c.shape << ' ' << c.name; }

class T5Parity : public testing::TestWithParam<ParityCase> {};

TEST_P(T5Parity, PredictionsLossAndGradients) {
  LAIT_SKIP_WITHOUT_ORACLE();
  Comparison comparison(T5Oracle::get(GetParam().shape), GetParam().name, GetParam().p);
  comparison.expect_equal_predictions();
  comparison.expect_equal_loss_and_gradients();
}

TEST_P(T5Parity, GeneratesAloneAsInABatch) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const T5Oracle& oracle = T5Oracle::get(GetParam().shape);
  Model model = oracle.model(GetParam().p, /*pair=*/std::string(GetParam().name) == "pair");
  const Dataset dataset = oracle.dataset(model);
  const auto of = [&](const std::vector<int64_t>& indices) {
    return generate(
        model, model->to_batch(dataset, indices, model->spec.schedule, {.labels = false}), kGreedy);
  };
  EXPECT_EQ(of({2})[0], of(all_of(dataset))[2]);
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

// All numbers of independent layers in one test, since the oracle's output, up to a gigabyte, does
// not outlive it.
class T5PublishedShape : public testing::TestWithParam<const char*> {
 protected:
  TemporaryFolder folder_;
};

TEST_P(T5PublishedShape, PredictionsLossAndGradients) {
  LAIT_SKIP_WITHOUT_ORACLE();
  const T5Oracle oracle(GetParam(), folder_.path());
  for (const json& c : oracle.cases.at("cases")) {
    const std::string name = c.at("name");
    SCOPED_TRACE(name);
    Comparison comparison(oracle, name, c.at("p"));
    comparison.expect_equal_predictions();
    comparison.expect_equal_loss_and_gradients();
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, T5PublishedShape,
                         testing::Values("t5-small", "flan-t5-small", "t5-base"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace lait
