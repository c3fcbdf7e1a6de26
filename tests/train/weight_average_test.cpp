// training.ema: the average against a plain loop, and runs that keep one.
#include "train/weight_average.h"

#include <gmock/gmock.h>

#include "lait/checkpoint/safetensors.h"
#include "tests/model/small_bert.h"
#include "tests/train/trained_here.h"

namespace lait {
namespace {

TEST(WeightAverage, IsThePlainLoops) {
  const SmallBert bert;
  Model model = bert.model(bert.spec(2, SegmentFormat::kStandalone, Pooling::kCls), at::kFloat);
  const at::Tensor weight = model->parameter_list().back().tensor.detach();
  weight.fill_(1);
  const at::Tensor yes = at::ones({}), no = at::zeros({});
  WeightAverage average(model, 0.5);
  double expected = 1;
  for (int64_t step = 0; step < 20; ++step) {
    weight.fill_(static_cast<double>(step * step));
    const bool left_out = step % 7 == 3;
    average.update(step, left_out ? no : yes);
    const auto s = static_cast<double>(step);
    const double decay = std::min(0.5, (1 + s) / (10 + s));
    if (!left_out) expected = decay * expected + (1 - decay) * s * s;
    EXPECT_NEAR(average.tensors().back().second.flatten()[0].item<double>(), expected,
                1e-5 * (1 + expected));
  }
  const at::Tensor before = weight.clone(), kept = average.tensors().back().second.clone();
  average.swap();
  EXPECT_TRUE(at::equal(weight, kept));
  average.swap();
  EXPECT_TRUE(at::equal(weight, before));
  EXPECT_TRUE(at::equal(average.tensors().back().second, kept));
}

class AveragedRun : public TrainedHere {
 protected:
  void SetUp() override {
    write_inputs(40, 20, 0, "steps: 6, evaluate_every: 6, ema: 0.8, log_every: 1");
  }
  at::Tensor tensor(const std::string& file, const std::string& name) {
    return SafetensorsFile(folder_ / file).tensor(name).clone();
  }
};

constexpr const char* kTable = "bert.embeddings.word_embeddings.weight";

// The best model is the average, the last one has both.
TEST_F(AveragedRun, SavesTheAverageAsTheBestModel) {
  for (const std::string validation : {"", "data.validation=[]"}) {
    use(validation.empty() ? std::vector<std::string>{} : std::vector{validation});
    const std::string dir = validation.empty() ? "selected" : "last";
    run(dir);
    const at::Tensor best = tensor(dir + "/best/model.safetensors", kTable),
                     last = tensor(dir + "/checkpoints/step-6/model/model.safetensors", kTable);
    EXPECT_TRUE(at::equal(best, tensor(dir + "/checkpoints/step-6/optimizer.safetensors",
                                       std::string("average.") + kTable)));
    EXPECT_FALSE(at::allclose(best, last, 1e-3, 1e-5));
  }
}

// Training itself does not see it.
TEST_F(AveragedRun, TrainsAsWithoutIt) {
  run("with");
  use({"training.ema="});
  run("without");
  const std::string last = "/checkpoints/step-6/model/model.safetensors";
  EXPECT_TRUE(same_bytes(folder_ / ("with" + last), folder_ / ("without" + last)));
  EXPECT_FALSE(same_bytes(folder_ / "with/best/model.safetensors",
                          folder_ / "without/best/model.safetensors"));
}

}  // namespace
}  // namespace lait
