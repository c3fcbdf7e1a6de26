#include "train/data_split.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <filesystem>
#include <memory>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/base/words.h"
#include "lait/config/did_you_mean.h"
#include "lait/data/example_reader.h"
#include "lait/data/task.h"
#include "train/shuffle.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

// The records of a file with the lines that they were read from.
struct RawRecord {
  std::string text{};  // its lines, each with its end
  // By the fields to split by: equal for equal values.
  std::vector<std::string> values{};
  // Of a folder of line-aligned files.
  std::vector<std::string> aligned{};
};
struct RawFile {
  std::string header{};
  std::vector<RawRecord> records{};
};

// How a folder of line-aligned files calls its parts, and the fields that they are (task fever).
constexpr std::pair<const char*, const char*> kAligned[] = {
    {".raw.input0", "evidence"}, {".raw.input1", "claim"}, {".label", "label"}};

// Of the field; "": it is empty or null, which connects nothing.
std::string value_of(const Record& record, const std::string& field, const std::string& where) {
  if (const Record::Json* value = record.find(field)) {
    if (value->is_null()) return "";
    return value->is_string() ? value->get<std::string>() : value->dump();
  }
  std::vector<std::string> known;
  record.for_each([&](const std::string& name, const Record::Json&) { known.push_back(name); });
  throw UserError(where + ": --by: expected fields of the record {" + joined(known) + "}, got '" +
                  field + "'" + did_you_mean(field, known));
}

RawFile read_raw(const Task& task, const SplitOptions& options) {
  const bool is_folder = fs::is_directory(options.input);
  LineReader lines = open_lines(task, options.input);
  std::deque<std::pair<int64_t, std::string>> unused;  // lines since the record before, by number
  LineReader recorded(
      [&]() -> std::optional<std::string> {
        auto line = lines.next();
        if (line) unused.emplace_back(lines.line_number(), *line);
        return line;
      },
      options.input);
  RecordReader records(
      recorded, task.format(), ReadFor::kTraining,
      [&](const std::vector<std::string>& first) { return task.headerless(first); });
  RawFile file;
  const auto where = [&] { return options.input + ":" + std::to_string(records.line_number()); };
  try {
    while (const auto record = records.next()) {
      RawRecord& raw = file.records.emplace_back();
      for (; !unused.empty(); unused.pop_front()) {
        const auto& [number, line] = unused.front();
        const bool of_header = file.records.size() == 1 && records.has_header() &&
                               number < records.line_number() && number >= records.header_line();
        if (of_header) file.header += line + "\n";
        if (number >= records.line_number()) raw.text += line + "\n";
      }
      for (const std::string& field : options.by)
        raw.values.push_back(value_of(*record, field, where()));
      if (!is_folder) continue;
      for (const auto& [end, field] : kAligned) raw.aligned.push_back(record->text(field));
    }
  } catch (const BadLine& error) {
    throw UserError(where() + ": " + error.what() + "; fix the line");
  }
  if (file.records.empty()) throw UserError(options.input + ": expected records, got none");
  return file;
}

// The group of each record, numbered from 0 as they first occur.
std::vector<size_t> connected_groups(const std::vector<RawRecord>& records) {
  std::vector<size_t> parent(records.size());
  std::iota(parent.begin(), parent.end(), size_t{0});
  const auto root = [&](size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  std::unordered_map<std::string, size_t> first;
  for (size_t i = 0; i < records.size(); ++i) {
    for (size_t field = 0; field < records[i].values.size(); ++field) {
      if (records[i].values[field].empty()) continue;
      const std::string key = std::to_string(field) + " " + records[i].values[field];
      const size_t a = root(first.try_emplace(key, i).first->second), b = root(i);
      parent[std::max(a, b)] = std::min(a, b);
    }
  }
  std::vector<size_t> groups(records.size());
  std::unordered_map<size_t, size_t> numbers;
  for (size_t i = 0; i < records.size(); ++i)
    groups[i] = numbers.try_emplace(root(i), numbers.size()).first->second;
  return groups;
}

// The part of each group: in a shuffled order, the large ones first, each goes where most of the
// share is missing.
std::vector<size_t> parts_of(const std::vector<int64_t>& sizes, const std::vector<double>& shares,
                             uint64_t seed) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  shuffle(order, seed, /*epoch=*/0, /*stream=*/0);
  std::ranges::stable_sort(order, std::ranges::greater(), [&](size_t i) { return sizes[i]; });
  const double all = static_cast<double>(std::accumulate(sizes.begin(), sizes.end(), int64_t{0})),
               sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<double> missing;
  for (const double share : shares) missing.push_back(share / sum * all);
  std::vector<size_t> parts(sizes.size());
  for (const size_t group : order) {
    const auto most = std::ranges::max_element(missing);
    *most -= static_cast<double>(sizes[group]);
    parts[group] = static_cast<size_t>(most - missing.begin());
  }
  return parts;
}

std::vector<std::string> part_names(const SplitOptions& options) {
  if (options.shares.size() < 2 || std::ranges::any_of(options.shares, [](double share) {
        return !(share > 0) || std::isinf(share);
      }))
    throw UserError("--shares: expected two or more numbers above 0, e.g. 80,10,10");
  if (options.names.empty()) {
    if (options.shares.size() == 2) return {"train", "validation"};
    if (options.shares.size() == 3) return {"train", "validation", "test"};
  }
  if (options.names.size() != options.shares.size())
    throw UserError("--names: expected " + std::to_string(options.shares.size()) +
                    " names, one for each of --shares, got " +
                    std::to_string(options.names.size()));
  if (std::set(options.names.begin(), options.names.end()).size() != options.names.size())
    throw UserError("--names: expected each name once");
  return options.names;
}

// The end of the input's name: ".jsonl" of "train.jsonl.gz".
std::string extension(fs::path path) {
  if (path.extension() == ".gz") path.replace_extension();
  return path.extension().string();
}

}  // namespace

std::vector<SplitPart> split_data(const SplitOptions& options) {
  const std::vector<std::string> names = part_names(options);
  if (options.by.empty())
    throw UserError("--by: expected the fields that stay together, e.g. passage, got none");
  const bool is_folder = fs::is_directory(options.input);
  std::vector<SplitPart> parts;
  for (const std::string& name : names) {
    const fs::path path =
        fs::path(options.output) / (name + (is_folder ? "" : extension(options.input)));
    if (fs::exists(path))
      throw UserError("--output: " + path.string() + " exists; name another folder");
    parts.push_back({.path = path.string()});
  }
  const RawFile file = read_raw(find_task(options.task), options);
  const std::vector<size_t> groups = connected_groups(file.records);
  std::vector<int64_t> sizes(*std::ranges::max_element(groups) + 1);
  for (const size_t group : groups) ++sizes[group];
  const std::vector<size_t> part_of = parts_of(sizes, options.shares, options.seed);
  for (const size_t part : part_of) ++parts[part].groups;
  std::vector<std::string> texts(parts.size(), file.header);
  std::vector<std::vector<std::string>> aligned(parts.size(),
                                                std::vector<std::string>(std::size(kAligned)));
  for (size_t i = 0; i < file.records.size(); ++i) {
    const size_t part = part_of[groups[i]];
    ++parts[part].records;
    texts[part] += file.records[i].text;
    for (size_t f = 0; f < file.records[i].aligned.size(); ++f)
      aligned[part][f] += file.records[i].aligned[f] + "\n";
  }
  for (const SplitPart& part : parts) {
    if (part.records == 0)
      throw UserError(options.input +
                      ": expected at least one group of records for each part, got " +
                      std::to_string(sizes.size()) + " groups, none for " + part.path +
                      "; give fewer parts, or other fields with --by");
  }
  std::vector<FileContent> files;
  for (size_t p = 0; p < parts.size(); ++p) {
    if (!is_folder) {
      files.push_back({parts[p].path, texts[p]});
      continue;
    }
    for (size_t f = 0; f < std::size(kAligned); ++f)
      files.push_back({fs::path(parts[p].path) / (names[p] + kAligned[f].first), aligned[p][f]});
  }
  fs::create_directories(options.output);
  write_files(files);
  return parts;
}

}  // namespace lait
