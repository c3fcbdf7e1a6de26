#include "train/read_split.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "lait/base/error.h"
#include "lait/base/file_hash.h"
#include "lait/base/program.h"
#include "lait/data/dataset_builder.h"
#include "lait/data/labels.h"
#include "lait/model/head.h"
#include "train/more_examples.h"

namespace lait {
namespace {

// Examples whose texts are in memory at a time, and as many that are read meanwhile.
constexpr size_t kExamplesAtOnce = 4096;

// What a run needs to know of a split beside its tokens. Files of the cache have it as JSON.
struct Facts {
  std::vector<std::string> labels{};  // found in the data; else empty
  int64_t num_segments = 0;           // of the first example
  int64_t bad_lines = 0, unlabelled = 0, without_text = 0, bad_answers = 0;
  std::string first_bad_answer{};
  // Examples of the data set: those of the files, and those that training.distill adds.
  int64_t of_files = 0, recombined = 0, added = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Facts, labels, num_segments, bad_lines, unlabelled, without_text,
                                 bad_answers, first_bad_answer, of_files, recombined, added)
};

// Numbers labels that come from the data as they first occur.
class FoundLabels {
 public:
  void assign(std::span<Example> examples) {
    for (Example& example : examples) {
      if (example.label_text.empty()) continue;
      const auto [entry, is_new] = numbers_.try_emplace(example.label_text, std::ssize(first_));
      if (is_new) {
        first_.push_back({.label_text = example.label_text, .origin = example.origin});
        if (first_.size() > kMaxLabels) label_set(first_);  // throws
      }
      example.label = ClassLabel{entry->second};
    }
  }
  // Their names as the run orders them. Throws UserError as label_set does.
  std::vector<std::string> names(const Task& task) const { return label_set(first_, task); }
  // The index of each in `names`.
  std::vector<int64_t> indexes(const std::vector<std::string>& names) const {
    std::vector<int64_t> out;
    for (const Example& first : first_)
      out.push_back(std::ranges::find(names, first.label_text) - names.begin());
    return out;
  }

 private:
  std::unordered_map<std::string, int64_t> numbers_;
  std::vector<Example> first_;  // of each label, without its texts
};

void add_ids(ContentHash& hash, const std::vector<int32_t>& ids) {
  hash.add_text({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t)});
}

// Whether every example has as many segments as the first one of the training data.
bool first_tells_number(const RunInputs& in) {
  return !in.config.data.num_segments && in.spec.num_segments == 0 &&
         !in.task->any_number_of_segments();
}

// Everything that the data set is made of. nullopt: the split has no key, since its files cannot be
// read twice.
std::optional<Digest> key_of(const RunInputs& in, bool is_train, const DataFiles& files,
                             const TokenizeOptions& options) {
  ContentHash hash;
  hash.add_text(version_string());
  hash.add_text(write_spec(in.spec));  // the task, how its files are read, what examples may be
  hash.add_number(in.spec.reading.skip_bad_lines);
  const SegmentLayout& layout = options.layout;
  for (const auto* ids : {&layout.prefix, &layout.between, &layout.suffix}) add_ids(hash, *ids);
  hash.add_number(layout.between_of_first);
  hash.add_number(layout.uses_prompts);
  hash.add_number(options.max_tokens);
  hash.add_number(layout.joins_texts);
  for (const Prompts::Part& part : options.prompts) {
    hash.add_number(part.segment);
    hash.add_text(part.text);
  }
  for (const auto& [name, content] : in.tokenizer->files()) {
    hash.add_text(name);
    hash.add_text(content);
  }
  for (const std::string& file : files) {
    if (!add_file(hash, file)) return std::nullopt;
  }
  for (const auto& [key, texts] : in.spec.reading.text_files) {
    hash.add_text(key);
    for (const std::string& file : texts) {
      if (!add_file(hash, file)) return std::nullopt;
    }
  }
  const DistillConfig& distill = in.config.training.distill;
  if (is_train && distill.recombine > 0) {
    hash.add_number(distill.recombine);
    hash.add_number(static_cast<int64_t>(in.config.training.seed));
  }
  if (!is_train) return hash.digest();
  for (const std::string& file : distill.data) {
    if (!add_file(hash, file)) return std::nullopt;
  }
  return hash.digest();
}

std::vector<Example> read_some(SplitReader& reader) {
  std::vector<Example> examples;
  while (examples.size() < kExamplesAtOnce) {
    auto example = reader.next();
    if (!example) break;
    examples.push_back(std::move(*example));
  }
  return examples;
}

struct Built {
  std::shared_ptr<const TokenArrays<Owned>> arrays;  // without the tokens that are in the file
  Facts facts;
};

// Reads and tokenizes a split. `file`: gets the tokens as they are made; may be null.
Built build(const RunInputs& in, bool is_train, const DataFiles& files,
            const TokenizeOptions& options, TokenFileWriter* file) {
  const LabelKind labels = in.spec.label_kind();
  const bool finds_labels = is_train && in.task->open_labels() && labels == LabelKind::kClass;
  ModelSpec spec = in.spec;
  Facts facts;
  FoundLabels found;
  SplitReader reader(*in.task, files, spec.reading);
  DatasetBuilder builder(*in.tokenizer, options, at::get_num_threads());
  for (std::vector<Example> examples = read_some(reader), next; !examples.empty();
       examples = std::move(next)) {
    if (facts.num_segments == 0) facts.num_segments = std::ssize(examples.front().segments);
    if (is_train && first_tells_number(in)) spec.num_segments = facts.num_segments;
    if (finds_labels) {
      found.assign(examples);
    } else if (in.task->open_labels()) {
      assign(examples, labels, spec.labels);
    }
    check_examples(examples, spec);
    std::exception_ptr unread;  // an error behind this part, in which there may be another one
    builder.add(examples, [&] {
      try {
        next = read_some(reader);
      } catch (...) {
        unread = std::current_exception();
      }
    });
    if (unread) std::rethrow_exception(unread);
    if (file != nullptr) file->write_tokens(builder.take_tokens());
  }
  facts.of_files = builder.size();
  const auto add = [&](const std::vector<Example>& examples) {
    check_examples(examples, spec);
    builder.add(examples);
    if (file != nullptr) file->write_tokens(builder.take_tokens());
    return builder.size();
  };
  if (is_train && in.distilled) {
    const MoreExamples more = more_examples(in);
    facts.recombined = add(more.recombined) - facts.of_files;
    facts.added = add(more.unlabelled) - facts.recombined - facts.of_files;
  }
  if (finds_labels) {
    facts.labels = found.names(*in.task);
    builder.number_classes(found.indexes(facts.labels));
  }
  facts.bad_lines = reader.counts().bad_lines;
  facts.unlabelled = reader.counts().unlabelled;
  facts.without_text = reader.counts().without_text;
  facts.bad_answers = reader.counts().bad_answers;
  facts.first_bad_answer = reader.counts().first_bad_answer;
  return {builder.take(), facts};
}

}  // namespace

void read_split(RunInputs& in, Split& split, const DataFiles& files, TokenCache& cache) {
  if (files.empty()) return;
  const auto warn = [&](const std::string& text) { in.warnings.push_back(text); };
  const TokenizeOptions options = in.spec.tokenize_options(in.hf_config, *in.tokenizer);
  const std::optional<Digest> key = key_of(in, split.is_train(), files, options);
  std::optional<TokenFile> found;
  if (key) found = cache.find(split.name(), *key, options, warn);
  if (key && !found) {
    const auto fill = [&](TokenFileWriter& file) {
      const Built built = build(in, split.is_train(), files, options, &file);
      file.finish(*built.arrays, nlohmann::json(built.facts).dump());
      // The key is that of the bytes that were read, unless they changed meanwhile.
      return key_of(in, split.is_train(), files, options) == key;
    };
    found = cache.make(split.name(), *key, options, fill, warn);
  }
  Facts facts;
  if (found) {
    facts = nlohmann::json::parse(found->facts).get<Facts>();
    split.dataset = std::move(found->dataset);
  } else {
    Built built = build(in, split.is_train(), files, options, nullptr);
    facts = std::move(built.facts);
    split.dataset.emplace(std::move(built.arrays), options);
  }
  split.counts = {.bad_lines = facts.bad_lines,
                  .unlabelled = facts.unlabelled,
                  .without_text = facts.without_text,
                  .bad_answers = facts.bad_answers,
                  .first_bad_answer = facts.first_bad_answer};
  if (!split.is_train()) return;
  if (in.distilled) {
    in.distilled->labelled = facts.of_files;
    in.distilled->recombined = facts.recombined;
    in.distilled->unlabelled = facts.added;
  }
  if (!facts.labels.empty()) in.spec.labels = facts.labels;
  if (first_tells_number(in)) in.spec.num_segments = facts.num_segments;
}

}  // namespace lait
