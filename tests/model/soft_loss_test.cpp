// The heads' soft losses against LibTorch's own, in double: values and gradients.
#include <ATen/ops/binary_cross_entropy.h>
#include <ATen/ops/kl_div.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mse_loss.h>

#include "lait/model/head.h"
#include "tests/model/small_bert.h"

namespace lait {
namespace {

struct SoftCase {
  const char* name;
  HeadKind head;
  int64_t outputs;
  double temperature;
};
void PrintTo(const SoftCase& c, std::ostream* out) { *out << c.name; }

class SoftLoss : public testing::TestWithParam<SoftCase> {
 protected:
  // Rows of each example: a span head's.
  std::vector<int64_t> offsets() const {
    return GetParam().head == HeadKind::kSpan ? std::vector<int64_t>{0, 1, 6, 9, 17}
                                              : std::vector<int64_t>{};
  }
  static at::Tensor random(int64_t rows, int64_t outputs, uint64_t seed) {
    return 3 * at::randn({rows, outputs}, at::detail::createCPUGenerator(seed), at::kDouble);
  }
  // Of one example's rows.
  static at::Tensor expected(const at::Tensor& student, const at::Tensor& teacher) {
    const double t = GetParam().temperature;
    const auto divergence = [&](int64_t dim) {
      return at::kl_div(at::log_softmax(student / t, dim), at::log_softmax(teacher / t, dim),
                        at::Reduction::Sum, /*log_target=*/true) *
             (t * t);
    };
    switch (GetParam().head) {
      case HeadKind::kRegression:
        return at::mse_loss(student, teacher);
      case HeadKind::kRelevance:
        return at::binary_cross_entropy((student / t).sigmoid(), (teacher / t).sigmoid()) * (t * t);
      case HeadKind::kSpan:
        return divergence(0) / 2;
      default:
        return divergence(1);
    }
  }
};

TEST_P(SoftLoss, IsLibTorchs) {
  const SmallBert bert;
  ModelSpec spec = bert.spec(2, SegmentFormat::kStandalone, Pooling::kClsSegments);
  spec.head = GetParam().head;
  if (spec.head != HeadKind::kClassifier) spec.labels.clear();
  if (spec.head == HeadKind::kSpan) spec.task = "squad";
  const Model model = bert.model(spec, at::kFloat);
  const std::vector<int64_t> rows = offsets();
  const int64_t num_rows = rows.empty() ? 5 : rows.back(),
                examples = rows.empty() ? 5 : std::ssize(rows) - 1;
  const at::Tensor teacher = random(num_rows, GetParam().outputs, 1).to(at::kFloat),
                   student = random(num_rows, GetParam().outputs, 2).to(at::kFloat),
                   weights = at::arange(1, examples + 1, at::kFloat);
  const at::Tensor ours = student.clone().requires_grad_(),
                   theirs = student.to(at::kDouble).requires_grad_();
  const at::Tensor each =
      model->head->soft_loss({ours, rows}, {}, {teacher, rows}, GetParam().temperature);
  ASSERT_EQ(each.sizes(), at::IntArrayRef({examples}));
  std::vector<at::Tensor> wanted;
  for (int64_t i = 0; i < examples; ++i) {
    const int64_t begin = rows.empty() ? i : rows[i], end = rows.empty() ? i + 1 : rows[i + 1];
    wanted.push_back(expected(theirs.narrow(0, begin, end - begin),
                              teacher.to(at::kDouble).narrow(0, begin, end - begin)));
  }
  const at::Tensor all = at::stack(wanted);
  EXPECT_TRUE(at::allclose(each.to(at::kDouble), all, 1e-5, 1e-5)) << each << all;
  (each * weights).sum().backward();
  (all * weights.to(at::kDouble)).sum().backward();
  EXPECT_TRUE(at::allclose(ours.grad().to(at::kDouble), theirs.grad(), 1e-4, 1e-5));
  // Nothing is left to learn from oneself, but for what a cross entropy keeps.
  const at::Tensor same = model->head->soft_loss({teacher.clone().requires_grad_(), rows}, {},
                                                 {teacher, rows}, GetParam().temperature);
  if (spec.head != HeadKind::kRelevance) {
    EXPECT_LT(same.abs().max().item<double>(), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Heads, SoftLoss,
                         testing::Values(SoftCase{"classifier", HeadKind::kClassifier, 3, 1},
                                         SoftCase{"classifier_at_2", HeadKind::kClassifier, 3, 2},
                                         SoftCase{"regression", HeadKind::kRegression, 1, 1},
                                         SoftCase{"relevance", HeadKind::kRelevance, 1, 1},
                                         SoftCase{"relevance_at_3", HeadKind::kRelevance, 1, 3},
                                         SoftCase{"span", HeadKind::kSpan, 2, 1},
                                         SoftCase{"span_at_2", HeadKind::kSpan, 2, 2}),
                         [](const auto& info) { return std::string(info.param.name); });

// Where a text is written, another's outputs mean nothing.
TEST(SoftLabelsOfHeads, TextHasNone) {
  EXPECT_EQ(find_head(HeadKind::kText).soft_labels, SoftLabels::kNone);
}

}  // namespace
}  // namespace lait
