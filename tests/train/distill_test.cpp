// training.distill: students that learn a teacher's outputs.
#include <ATen/ops/kl_div.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/nll_loss.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lait/predict/predictor.h"
#include "tests/train/trained_here.h"
#include "train/more_examples.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

class Distill : public TrainedHere {
 protected:
  // The student has two segments at P = 2, the teacher the pair format; its labels are in another
  // order. 12 more examples have no labels.
  void SetUp() override {
    write_inputs(40, 20, 8, "steps: 6, log_every: 1");
    write_checkpoint(folder_ / "teacher", {.format = SegmentFormat::kPair});
    std::string spec = read_file(folder_ / "teacher/lait.yaml");
    swap_texts(spec, "\"entails\"", "\"refutes\"");
    write_file(folder_ / "teacher/lait.yaml", spec);
    std::string config = read_file(folder_ / "teacher/config.json");
    swap_texts(config, "entails", "refutes");
    write_file(folder_ / "teacher/config.json", config);
    std::vector<Json> more = tiny_lines(9, 12);
    for (Json& line : more) line.erase("label");
    write_file(folder_ / "more.jsonl", to_text(more));
  }
  static void swap_texts(std::string& text, const std::string& a, const std::string& b) {
    const auto replace = [&](const std::string& from, const std::string& to) {
      for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
        text.replace(at, from.size(), to);
    };
    replace(a, "\1");
    replace(b, a);
    replace("\1", b);
  }
  std::vector<std::string> with_teacher(std::vector<std::string> more = {}) {
    more.push_back("training.distill.teacher=" + path("teacher"));
    return more;
  }
  // As arguments of lait-train.
  std::string set_teacher(const std::vector<std::string>& more = {}) {
    std::string out;
    for (const std::string& text : with_teacher(more)) out += " --set '" + text + "'";
    return out;
  }
  std::vector<Json> train_lines(const std::string& run) {
    std::vector<Json> out;
    for (const std::string& line : metrics_without_times(folder_ / run)) {
      if (Json json = Json::parse(line); json["split"] == "train") out.push_back(std::move(json));
    }
    return out;
  }
  fs::path teacher_folder(const std::string& run) {
    for (const auto& entry : fs::directory_iterator(folder_ / run / "cache")) {
      if (entry.path().filename().string().starts_with("teacher-")) return entry.path();
    }
    return {};
  }
};

// What each example's loss is, written out; the teacher's logits are the predictor's.
TEST_F(Distill, StepsAreThoseOfAPlainLoop) {
  use(with_teacher({"training.distill.temperature=3", "training.distill.weight=0.6",
                    "training.distill.recombine=1", "training.accumulation=2",
                    "training.distill.data=" + path("more.jsonl"),
                    "training.class_weights={entails: 2, neutral: 0.5}"}));
  run("run");
  const RunInputs& in = inputs();
  const Dataset& dataset = *in.train.dataset;
  EXPECT_EQ(in.distilled->labelled, 40);
  EXPECT_GT(in.distilled->recombined, 20);
  EXPECT_EQ(in.distilled->unlabelled, 12);
  ASSERT_EQ(dataset.size(), 52 + in.distilled->recombined);
  const std::vector<Example> texts = training_texts(in);
  at::Tensor teacher =
      Predictor::load(folder_ / "teacher", Precision::kFp32).outputs(texts)->values;
  // Its labels: refutes, neutral, entails.
  teacher = teacher.index_select(1, at::tensor({2, 1, 0}, at::kLong));
  Model model = load_model(in, at::kFloat);
  Optimizer optimizer(model, in.config.training, 6, nullptr);
  const auto logged = train_lines("run");
  ASSERT_EQ(logged.size(), 6u);
  const double class_weight[] = {2, 0.5, 1}, temperature = 3;
  int64_t step = 0;
  for (int64_t epoch = 0; step < 6; ++epoch) {
    const auto batches = epoch_batches(dataset, in.config.training, epoch);
    for (size_t begin = 0; begin < batches.size() && step < 6; begin += 2, ++step) {
      const Randomness randomness{
          .training = true, .seed = in.config.training.seed, .step = static_cast<uint32_t>(step)};
      double all = 0;
      std::vector<at::Tensor> sums;
      std::vector<DeviceBatch> made;  // which backward reads, too
      for (size_t b = begin; b < std::min(begin + 2, batches.size()); ++b) {
        made.push_back(model->to_batch(dataset, batches[b], in.spec.schedule,
                                       batch_options(in.config.training)));
        const at::Tensor logits = model->forward(made.back(), randomness).values;
        std::vector<at::Tensor> losses;
        for (size_t i = 0; i < batches[b].size(); ++i) {
          const int64_t example = batches[b][i];
          const auto row = static_cast<int64_t>(i);
          const at::Tensor soft =
              temperature * temperature *
              at::kl_div(at::log_softmax(logits[row] / temperature, 0),
                         at::log_softmax(teacher[example] / temperature, 0), at::Reduction::Sum,
                         /*log_target=*/true);
          const Label label = dataset.example(example).label;
          EXPECT_EQ(has_label(label), example < 40);
          if (!has_label(label)) {
            losses.push_back(soft);
            all += 1;
            continue;
          }
          const int64_t index = std::get<ClassLabel>(label).index;
          losses.push_back(0.6 * soft -
                           0.4 * class_weight[index] * at::log_softmax(logits[row], 0)[index]);
          all += 0.6 + 0.4 * class_weight[index];
        }
        sums.push_back(at::stack(losses).sum());
      }
      const at::Tensor loss = at::stack(sums).sum() / all;
      loss.backward();
      optimizer.step(step);
      EXPECT_NEAR(logged[static_cast<size_t>(step)]["loss"], loss.item<double>(),
                  1e-4 * loss.item<double>())
          << step;
    }
  }
}

// Also where the epoch has no labelled example in a batch, and the label counts nothing.
TEST_F(Distill, AWeightOfOneNeedsNoLabels) {
  use(with_teacher({"training.distill.weight=1", "training.batch_size=1", "training.steps=52",
                    "training.distill.data=" + path("more.jsonl")}));
  run("run");
  const auto one = train_lines("run");
  std::vector<Json> lines = tiny_lines(1, 40);
  for (Json& line : lines) line["label"] = kTinyLabels[line["label"] == kTinyLabels[0] ? 1 : 0];
  lines[0]["label"] = kTinyLabels[2];
  write_file(folder_ / "train.jsonl", to_text(lines));
  use(with_teacher({"training.distill.weight=1", "training.batch_size=1", "training.steps=52",
                    "training.distill.data=" + path("more.jsonl")}));
  run("other");
  EXPECT_EQ(train_lines("other"), one);
  EXPECT_LT(one.back()["loss"], one.front()["loss"]);
}

// The pass is made once; what an interrupted one has is kept, and a damaged file is made again.
TEST_F(Distill, TheTeacherIsAskedOnce) {
  const std::string set = set_teacher({"training.distill.recombine=1"});
  ASSERT_EQ(train_into("run", set).code, 0);
  const fs::path folder = teacher_folder("run"), file = folder / "0.safetensors";
  ASSERT_TRUE(fs::exists(file));
  const std::string bytes = read_file(file);
  const auto changed = fs::last_write_time(file);
  const auto again = [&](const std::string& more) {
    const ShellResult result = train_into("run", set + more);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.err;
  };
  // Other losses of the same outputs.
  again(" --overwrite --set training.distill.weight=0.5");
  EXPECT_EQ(fs::last_write_time(file), changed);
  const auto lines = metrics_without_times(folder_ / "run");
  std::string damaged = bytes;
  damaged[damaged.size() - 3] ^= 1;
  write_file(file, damaged);
  again(" --overwrite --set training.distill.weight=0.5");
  EXPECT_EQ(read_file(file), bytes);
  EXPECT_EQ(metrics_without_times(folder_ / "run"), lines);
  // Other texts, other outputs; those of the old ones are removed.
  again(" --overwrite --set training.distill.recombine=2");
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_NE(teacher_folder("run"), folder);
  // Another teacher.
  write_checkpoint(folder_ / "teacher", {.independent_layers = 1});
  const ShellResult resumed =
      train_into("run", set_teacher({"training.distill.recombine=2"}) + " --resume");
  EXPECT_EQ(resumed.code, 2);
  EXPECT_THAT(resumed.err, HasSubstr("training.distill.teacher is not the one that the run was "
                                     "started with"));
}

// Parts of a file each, of which some are there.
TEST_F(Distill, AStoppedPassGoesOn) {
  std::vector<Json> lines = tiny_lines(4, 2000);
  write_file(folder_ / "train.jsonl", to_text(lines));
  use(with_teacher());
  const RunInputs& in = inputs();
  const Model model = load_model(in, at::kFloat);
  Progress progress(Says::kNothing);
  Ranks alone;
  const auto ask = [&](int64_t batches) {
    int64_t asked = 0;
    const auto found = ask_teacher(
        in, *model->head,
        {.cache = folder_ / "cache", .stop = [&] { return asked++ < batches ? 0 : SIGTERM; }},
        alone, progress);
    return std::pair(found.has_value(), asked);
  };
  constexpr int64_t kBatches = 1024 / kEvaluationBatch;
  EXPECT_EQ(ask(kBatches + 2), std::pair(false, kBatches + 3));
  EXPECT_EQ(ask(1000), std::pair(true, int64_t{16}));  // those of the 976 others
  EXPECT_EQ(ask(1000), std::pair(true, int64_t{0}));
  // Without a place for them all is computed.
  int64_t asked = 0;
  EXPECT_TRUE(ask_teacher(in, *model->head, {.stop = [&] { return ++asked, 0; }}, alone, progress));
  EXPECT_EQ(asked, kBatches + 16);
}

TEST_F(Distill, IsSaidWhereTheRunIsDescribed) {
  const std::string set = set_teacher({"training.distill.data=" + path("more.jsonl")});
  const std::string said =
      "weight 0.7, temperature 2; 40 examples with labels, 0 recombined, 12 "
      "from training.distill.data";
  const ShellResult dry = train(set + " --dry-run");
  ASSERT_EQ(dry.code, 0) << dry.err;
  EXPECT_THAT(dry.out, HasSubstr("# distilled from " + path("teacher") + ": " + said));
  const ShellResult result = train_into("run", set);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("distilled from " + path("teacher") + ": " + said));
  const auto report = Json::parse(read_file(folder_ / "run/report.json"));
  EXPECT_EQ(report["distillation"].dump(),
            Json({{"teacher", path("teacher")},
                  {"weight", 0.7},
                  {"temperature", 2.0},
                  {"examples", {{"labelled", 40}, {"recombined", 0}, {"unlabelled", 12}}}})
                .dump());
  const std::string card = read_file(folder_ / "run/best/README.md");
  EXPECT_THAT(card, HasSubstr("It was distilled from teacher: weight"));
  EXPECT_THAT(card, Not(HasSubstr(folder_.path().string())));
  // The resolved config runs again.
  EXPECT_EQ(shell(program("lait-train") + " --quiet --config " + path("run/config.yaml") +
                  " --output " + path("again"))
                .code,
            0);
  EXPECT_EQ(metrics_without_times(folder_ / "again"), metrics_without_times(folder_ / "run"));
}

// A teacher of scores, and one of a P of its own.
TEST_F(Distill, OfNumbersAndOfSegments) {
  std::vector<Json> lines = tiny_lines(1, 40);
  for (size_t i = 0; i < lines.size(); ++i) {
    lines[i]["label"] = static_cast<double>(i % 5) / 4;
    lines[i]["query_id"] = i / 8;
  }
  write_file(folder_ / "train.jsonl", to_text(lines));
  write_file(folder_ / "validation.jsonl", to_text(lines));
  for (const std::string head : {"regression", "relevance"}) {
    const bool regression = head == "regression";
    fs::remove_all(folder_ / "teacher");
    write_checkpoint(folder_ / "teacher",
                     {.independent_layers = 3,
                      .head = regression ? HeadKind::kRegression : HeadKind::kRelevance});
    const std::string set = set_teacher(
        {"model.head=" + head, "data.test=[]", "training.distill.recombine=1", "training.steps=60",
         "training.log_every=10", "training.elastic_independent_layers=[0, 2]"});
    const ShellResult result = train_into(head, set);
    EXPECT_EQ(result.code, 0) << result.err;
    // Of 10 steps each.
    EXPECT_LT(train_lines(head).back()["loss"], train_lines(head).front()["loss"]);
    const ShellResult temperature =
        train_into("t" + head, set + " --set training.distill.temperature=2");
    EXPECT_EQ(temperature.code, regression ? 2 : 0);
    if (regression) {
      EXPECT_THAT(temperature.err, HasSubstr("training.distill.temperature: expected a head with "
                                             "logits, got regression"));
    }
  }
}

// The teacher's own weights, and its head where it reads the same.
TEST_F(Distill, TheStudentMayBeginAsTheTeacher) {
  fs::remove_all(folder_ / "teacher");
  write_checkpoint(folder_ / "teacher", {.independent_layers = 1});
  {
    Model other = load_checkpoint(folder_ / "teacher", at::kFloat);
    const at::NoGradGuard no_grad;
    for (auto& named : other->named_parameters()) named.value().mul_(1.25);
    save_checkpoint(other, folder_ / "teacher");
  }
  use(with_teacher({"training.distill.init=teacher", "training.learning_rate=0"}));
  run("run");
  const SafetensorsFile ours(folder_ / "run/best/model.safetensors"),
      theirs(folder_ / "teacher/model.safetensors");
  for (const TensorInfo& tensor : theirs.tensors())
    EXPECT_TRUE(at::equal(ours.tensor(tensor.name), theirs.tensor(tensor.name))) << tensor.name;
  const ShellResult random =
      train_into("x", set_teacher({"training.distill.init=teacher", "model.init=random"}));
  EXPECT_EQ(random.code, 2);
  EXPECT_THAT(random.err, HasSubstr("training.distill.init: teacher contradicts model.init"));
  std::string vocabulary = read_file(folder_ / "teacher/vocab.txt");
  swap_texts(vocabulary, "\nam\n", "\nan\n");
  write_file(folder_ / "teacher/vocab.txt", vocabulary);
  const ShellResult other = train_into("x", set_teacher({"training.distill.init=teacher"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("expected model.path's tokenizer, got another"));
}

TEST_F(Distill, WhatCannotBeIsRefused) {
  const auto refuses = [&](const std::string& arguments, const std::string& why) {
    const ShellResult result = train_into("x", arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_THAT(result.err, HasSubstr(why));
    EXPECT_FALSE(fs::exists(folder_ / "x"));
  };
  refuses(" --set training.distill.weight=0.5",
          "training.distill.teacher: expected the teacher's checkpoint, got none");
  refuses(" --set training.distill.teacher=" + path("none"),
          "training.distill.teacher: " + path("none") + ": expected a checkpoint");
  refuses(set_teacher({"training.distill.weight=0"}), "training.distill.weight: expected a number");
  refuses(set_teacher({"training.distill.data=" + path("none.jsonl")}),
          "training.distill.data: " + path("none.jsonl") + ": no such file");
  ASSERT_EQ(shell("mkfifo " + path("pipe")).code, 0);
  refuses(set_teacher({"data.train=" + path("pipe")}),
          "expected a file, which the teacher can read again, got a pipe");
  refuses(set_teacher({"task=mnli"}),
          "expected a teacher of task: mnli, as the run has, got jsonl");
  refuses(set_teacher({"model.head=regression"}),
          "expected a teacher of model.head: regression, as the run has, got classifier");
  std::vector<Json> lines = tiny_lines(1, 40);
  for (Json& line : lines) line["segments"].push_back("third");
  write_file(folder_ / "three.jsonl", to_text(lines));
  refuses(set_teacher({"training.distill.recombine=1", "data.train=" + path("three.jsonl"),
                       "data.validation=[]", "data.test=[]"}),
          "training.distill.recombine: expected two segments in every example, got 3");
  lines = tiny_lines(1, 40);
  for (Json& line : lines) line["label"] = line["label"] == kTinyLabels[0] ? "yes" : "no";
  write_file(folder_ / "train.jsonl", to_text(lines));
  refuses(set_teacher({"data.validation=[]", "data.test=[]"}),
          "expected the labels of the training data {");
  ASSERT_EQ(train_into("other", "--set data.validation=[] --set data.test=[]").code, 0);
  const ShellResult overwrites =
      train_into("other",
                 "--overwrite --set data.validation=[] --set data.test=[] --set "
                 "training.distill.teacher=" +
                     path("other"));
  EXPECT_EQ(overwrites.code, 2);
  EXPECT_THAT(overwrites.err, HasSubstr("training.distill.teacher: "));
  EXPECT_THAT(overwrites.err, HasSubstr("which --overwrite would remove"));
}

}  // namespace
}  // namespace lait
