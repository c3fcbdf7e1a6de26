#include "train/teacher_outputs.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/file_hash.h"
#include "lait/base/file_writer.h"
#include "lait/checkpoint/safetensors.h"
#include "lait/data/crc.h"
#include "lait/model/checkpoint.h"
#include "lait/predict/predictor.h"
#include "train/more_examples.h"

namespace lait {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKeyName = "training.distill.teacher";
constexpr const char* kFolderPrefix = "teacher-";
constexpr const char *kValues = "values", *kRows = "rows", *kSum = "crc32";
// Examples (questions) of a file.
constexpr int64_t kExamplesOfAFile = 1024;

// Of the teacher's files and precision, and of the texts.
Digest key_of(const RunInputs& in, at::ScalarType precision) {
  ContentHash hash;
  add_file(hash, in.distilled->dir);
  hash.add_number(precision == at::kBFloat16 ? 16 : 32);
  const Dataset& dataset = *in.train.dataset;
  for (int64_t i = 0; i < dataset.size(); ++i)
    hash.add_number(static_cast<int64_t>(dataset.text_hash(i)));
  return hash.digest();
}

int64_t sum_of(const Outputs& part) {
  Crc crc;
  crc.add(part.values.const_data_ptr(), part.values.nbytes());
  crc.add(part.offsets);
  return crc.value();
}

// The outputs in a file; nullopt: it is not there, or damaged.
std::optional<Outputs> read_part(const fs::path& file) {
  std::error_code none;
  if (!fs::exists(file, none)) return std::nullopt;
  try {
    const SafetensorsFile tensors(file);
    Outputs out{tensors.tensor(kValues).clone()};
    if (tensors.has(kRows)) {
      const at::Tensor rows = tensors.tensor(kRows);
      const auto* begin = rows.const_data_ptr<int64_t>();
      out.offsets.assign(begin, begin + rows.numel());
    }
    if (tensors.tensor(kSum).item<int64_t>() != sum_of(out)) return std::nullopt;
    return out;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

void write_part(const fs::path& file, const Outputs& part) {
  std::vector<std::pair<std::string, at::Tensor>> tensors{
      {kValues, part.values}, {kSum, at::tensor({sum_of(part)}, at::kLong)}};
  if (!part.offsets.empty()) tensors.emplace_back(kRows, at::tensor(part.offsets, at::kLong));
  write_safetensors(file, std::move(tensors));
}

// The first rank's, for all. nullopt: it has none.
std::optional<Outputs> of_first(const std::optional<Outputs>& part, Ranks& ranks) {
  if (ranks.max(ranks.is_first() && part) == 0) return std::nullopt;
  if (ranks.size() == 1) return part;
  const int64_t width = ranks.max(part ? part->values.size(1) : 0);
  Outputs out{ranks.gather(part ? part->values : at::empty({0, width}, at::kFloat)).front()};
  const at::Tensor offsets =
      ranks.gather(at::tensor(part ? part->offsets : std::vector<int64_t>{}, at::kLong)).front();
  const auto* begin = offsets.const_data_ptr<int64_t>();
  out.offsets.assign(begin, begin + offsets.numel());
  return out;
}

// The teacher's outputs in the order of the student's labels.
Outputs reordered(Outputs outputs, const RunInputs& in) {
  const std::vector<std::string>&mine = in.spec.labels, &theirs = in.distilled->spec.labels;
  if (mine == theirs) return outputs;
  std::vector<int64_t> order;
  for (const std::string& label : mine)
    order.push_back(std::ranges::find(theirs, label) - theirs.begin());
  outputs.values = outputs.values.index_select(1, at::tensor(order, at::kLong));
  return outputs;
}

// The examples that the data set was made of, of which windows may be several.
int64_t num_texts(const Dataset& dataset) {
  return dataset.has_windows() ? dataset.num_questions() : dataset.size();
}

// The teacher, and the texts that it reads.
struct Reading {
  Reading(const RunInputs& in, const TeacherPass& pass)
      : teacher([&] {
          Model model = load_checkpoint(in.distilled->dir, in.distilled->spec, pass.precision);
          model->move_to(pass.device);
          return Predictor(model, load_tokenizer(in.distilled->dir));
        }()),
        texts(training_texts(in)) {
    if (std::ssize(texts) != num_texts(*in.train.dataset)) {
      throw UserError(
          fmt::format("data.train: expected the {} examples that were there before, got "
                      "{}; does something write the files?",
                      num_texts(*in.train.dataset), texts.size()));
    }
    check_examples(texts, in.distilled->spec);
  }
  Predictor teacher;
  std::vector<Example> texts;
};

}  // namespace

std::optional<Distillation> ask_teacher(const RunInputs& in, const HeadImpl& head,
                                        const TeacherPass& pass, Ranks& ranks, Progress& progress) {
  const Digest key = key_of(in, pass.precision);
  const std::string name = kFolderPrefix + to_string(key);
  ranks.together([&] {
    if (ranks.gather(name).front() != name)
      throw UserError(std::string(kKeyName) + ": expected rank 0's teacher, got another");
  });
  const Dataset& dataset = *in.train.dataset;
  const int64_t size = num_texts(dataset);
  bool writes = ranks.is_first() && !pass.cache.empty();
  std::optional<Reading> reading;
  std::vector<Outputs> parts;
  for (int64_t begin = 0; begin < size; begin += kExamplesOfAFile) {
    const int64_t count = std::min(kExamplesOfAFile, size - begin);
    const fs::path file =
        pass.cache / name / fmt::format("{}.safetensors", begin / kExamplesOfAFile);
    std::optional<Outputs> part =
        of_first(writes ? read_part(file) : std::optional<Outputs>(), ranks);
    if (!part) {
      if (!reading) ranks.together([&] { reading.emplace(in, pass); });
      std::optional<Dataset> read;
      ranks.together([&] {
        read = reading->teacher.tokenize(
            std::span(reading->texts)
                .subspan(static_cast<size_t>(begin), static_cast<size_t>(count)));
      });
      part = reading->teacher.outputs(
          *read, {.should_stop = [&] { return pass.stop() != 0; },
                  .on_progress =
                      [&](int64_t done) {
                        progress.evaluation("the teacher", std::min(begin + done, size), size);
                      },
                  .ranks = &ranks});
      if (!part) return std::nullopt;
      if (writes) {
        try {
          write_part(file, *part);
        } catch (const WriteError& error) {
          writes = false;
          progress.warning(std::string(error.what()) +
                           "; what the teacher says is not kept for another run");
        }
      }
    }
    parts.push_back(std::move(*part));
  }
  Outputs outputs = reordered(concatenated(parts), in);
  ranks.together([&] {
    if (outputs.values.isfinite().all().item<bool>()) return;
    throw UserError(fmt::format("{}: {}: its outputs for the training data are not finite",
                                kKeyName, in.distilled->dir.string()));
  });
  if (writes) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(pass.cache, ignored)) {
      const std::string other = entry.path().filename().string();
      if (other.starts_with(kFolderPrefix) && other != name) fs::remove_all(entry.path(), ignored);
    }
  }
  return std::optional<Distillation>(std::in_place, dataset, head, std::move(outputs),
                                     in.distilled->labelled, in.config.training.distill.weight,
                                     static_cast<uint32_t>(key.low));
}

}  // namespace lait
