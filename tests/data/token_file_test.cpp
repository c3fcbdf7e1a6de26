// A data set is the same whether it was made in one thread, in several, in parts, or mapped from a
// file; and a file is whole or not used.
#include "lait/data/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>

#include "lait/base/files.h"
#include "lait/data/crc.h"
#include "lait/data/dataset_builder.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/letters_tokenizer.h"
#include "tests/data/random_examples.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
constexpr Digest kKey{.low = 1, .high = 2};

TokenizeOptions options_of(SegmentFormat format, int64_t max_tokens) {
  return {.layout = letters_layout(), .format = format, .max_tokens = max_tokens};
}

// A data set as its accessors show it, to the last bit.
struct Shown {
  explicit Shown(const Dataset& dataset) : checksum(dataset.checksum()) {
    for (int32_t s = 0; s < dataset.num_sequences(); ++s) {
      const auto tokens = dataset.tokens(s);
      sequences.emplace_back(std::vector(tokens.begin(), tokens.end()),
                             dataset.first_segment_length(s));
    }
    for (int64_t i = 0; i < dataset.size(); ++i) {
      const TokenizedExample example = dataset.example(i);
      for (const auto list : {example.sequences, example.groups, example.truncated})
        lists.emplace_back(list.begin(), list.end());
      labels.push_back(example.label);
      numbers.push_back({example.query, example.passage, dataset.example_length(i)});
      texts.push_back(dataset.text_hash(i));
    }
    numbers.push_back({dataset.num_truncated(), static_cast<int64_t>(dataset.sequence_scope())});
  }
  bool operator==(const Shown&) const = default;

  uint32_t checksum;
  std::vector<std::pair<std::vector<int32_t>, int64_t>> sequences;
  std::vector<std::vector<int32_t>> lists;
  std::vector<Label> labels;
  std::vector<std::vector<int64_t>> numbers;
  std::vector<uint64_t> texts;
};

// The parts that make a data set, one after another, in plain loops.
uint32_t checksum_by_loops(const std::vector<Example>& examples, const TokenizeOptions& options) {
  std::map<std::pair<std::vector<int32_t>, int64_t>, int32_t> numbers;
  std::vector<int32_t> tokens;
  std::vector<int64_t> offsets{0}, first_lengths;
  std::vector<std::vector<int32_t>> sequences;
  for (const Example& example : examples) {
    sequences.emplace_back();
    for (const Sequence& sequence : sequences_of(example, LettersTokenizer(), options)) {
      const auto [found, is_new] =
          numbers.try_emplace({sequence.tokens, sequence.first_length}, numbers.size());
      sequences.back().push_back(found->second);
      if (!is_new) continue;
      tokens.insert(tokens.end(), sequence.tokens.begin(), sequence.tokens.end());
      offsets.push_back(std::ssize(tokens));
      first_lengths.push_back(sequence.first_length);
    }
  }
  Crc crc;
  crc.add(tokens);
  crc.add(offsets);
  crc.add(first_lengths);
  for (size_t i = 0; i < examples.size(); ++i) {
    crc.add(sequences[i]);
    crc.add(options.format == SegmentFormat::kPair ? std::vector<int32_t>() : examples[i].groups);
    add_label(crc, examples[i].label);
  }
  return crc.value();
}

// Writes the examples as a run does: a part at a time, the tokens first.
void write(const fs::path& path, std::span<const Example> examples, const TokenizeOptions& options,
           const Digest& key = kKey, size_t part = 100) {
  const LettersTokenizer tokenizer;
  DatasetBuilder builder(tokenizer, options, /*threads=*/2);
  TokenFileWriter file(path, key);
  for (; !examples.empty(); examples = examples.subspan(std::min(part, examples.size()))) {
    builder.add(examples.first(std::min(part, examples.size())));
    file.write_tokens(builder.take_tokens());
  }
  file.finish(*builder.take(), "the facts");
  file.commit();
}

TEST(TokenFile, ADataSetIsTheSameHoweverItIsMade) {
  const TemporaryFolder folder;
  for (unsigned seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    const SegmentFormat format = seed % 2 == 0 ? SegmentFormat::kStandalone : SegmentFormat::kPair;
    const TokenizeOptions options = options_of(format, seed < 6 ? 512 : 7);
    // More than are tokenized at once, for some seeds.
    const int count = seed % 3 == 0 ? 5000 : 300;
    const auto examples = random_examples_of_all_kinds(random, count, /*longest=*/9);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Shown expected(Dataset(examples, LettersTokenizer(), options));
    EXPECT_EQ(expected.checksum, checksum_by_loops(examples, options));
    ASSERT_EQ(expected.labels.size(), examples.size());
    for (size_t i = 0; i < examples.size(); ++i) EXPECT_EQ(expected.labels[i], examples[i].label);
    for (const int threads : {2, 3})
      EXPECT_TRUE(Shown(Dataset(examples, LettersTokenizer(), options, threads)) == expected);
    for (const size_t part : {1, 64, 1000}) {
      write(folder / "a.tokens", examples, options, kKey, part);
      const auto found = open_token_file(folder / "a.tokens", kKey, options);
      ASSERT_TRUE(found);
      EXPECT_TRUE(Shown(found->dataset) == expected) << part;
      EXPECT_EQ(found->facts, "the facts");
    }
  }
}

TEST(TokenFile, AnEmptyDataSetIsOne) {
  const TemporaryFolder folder;
  const TokenizeOptions options = options_of(SegmentFormat::kStandalone, 9);
  write(folder / "a.tokens", {}, options);
  const auto found = open_token_file(folder / "a.tokens", kKey, options);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->dataset.size(), 0);
  EXPECT_EQ(found->dataset.num_sequences(), 0);
}

TEST(TokenFile, TheFirstTooLongExampleIsNamedWhateverTheThreads) {
  std::vector<Example> examples(9000, Example{.segments = {"ab"}});
  examples[4444].segments = examples[4500].segments = examples[8000].segments = {"abcdefghij"};
  TokenizeOptions options = options_of(SegmentFormat::kStandalone, 8);
  options.on_overflow = OnOverflow::kError;
  for (const int threads : {1, 2, 3}) {
    try {
      Dataset(examples, LettersTokenizer(), options, threads);
      FAIL();
    } catch (const TooLong& error) {
      EXPECT_EQ(error.example, 4444u);
      EXPECT_THAT(error.what(), testing::HasSubstr("example 4445: expected at most 8 tokens"));
    }
  }
}

// Flipped bits, lost ends and added bytes, anywhere in the file.
TEST(TokenFile, ADamagedFileIsNeverUsed) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.tokens";
  const TokenizeOptions options = options_of(SegmentFormat::kStandalone, 9);
  std::mt19937 random(7);
  write(path, random_examples_of_all_kinds(random, 40, 9), options);
  const std::string whole = read_file(path);
  const auto is_refused = [&](const std::string& bytes) {
    folder.write("a.tokens", bytes);
    try {
      return !open_token_file(path, kKey, options);
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(),
                  testing::HasSubstr("expected a whole file of tokens, got a damaged"));
      return true;
    }
  };
  for (int i = 0; i < 600; ++i) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1u << random() % 8);
    EXPECT_TRUE(is_refused(bytes)) << i;
  }
  for (size_t size = 0; size < whole.size(); size += 1 + random() % 40)
    EXPECT_TRUE(is_refused(whole.substr(0, size))) << size;
  EXPECT_TRUE(is_refused(whole + "\n"));
  EXPECT_TRUE(is_refused(whole + whole));
  EXPECT_FALSE(is_refused(whole));
}

TEST(TokenFile, AFileOfAnotherKeyOrVersionIsLeftAlone) {
  const TemporaryFolder folder;
  const TokenizeOptions options = options_of(SegmentFormat::kStandalone, 9);
  EXPECT_FALSE(open_token_file(folder / "none.tokens", kKey, options));
  write(folder / "a.tokens", {}, options, {.low = 1, .high = 3});
  EXPECT_FALSE(open_token_file(folder / "a.tokens", kKey, options));
  write(folder / "a.tokens", {}, options);
  std::string bytes = read_file(folder / "a.tokens");
  bytes[8] ^= 2;  // the version
  folder.write("a.tokens", bytes);
  EXPECT_FALSE(open_token_file(folder / "a.tokens", kKey, options));
}

// A reader that comes at any time finds nothing or a whole file, and one that has mapped a file
// keeps it when the next one replaces it.
TEST(TokenFile, ProcessesThatWriteAtOnceDoNoHarm) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.tokens";
  const TokenizeOptions options = options_of(SegmentFormat::kStandalone, 9);
  std::mt19937 random(5);
  const auto examples = random_examples_of_all_kinds(random, 300, 9);
  const Shown expected(Dataset(examples, LettersTokenizer(), options));
  std::vector<pid_t> writers;
  for (int w = 0; w < 2; ++w) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      for (int written = 0; written < 20;) {
        try {
          write(path, examples, options);
          ++written;
        } catch (const WriteError&) {
          // The other one is writing it.
        }
      }
      ::_exit(0);
    }
    writers.push_back(pid);
  }
  int found = 0;
  std::optional<TokenFile> kept;
  for (size_t ended = 0; ended < writers.size();) {
    if (auto file = open_token_file(path, kKey, options)) {
      ++found;
      EXPECT_TRUE(Shown(file->dataset) == expected);
      if (!kept) kept = std::move(file);
    }
    int status = 0;
    if (::waitpid(writers[ended], &status, WNOHANG) == 0) continue;
    EXPECT_EQ(WEXITSTATUS(status), 0);
    ++ended;
  }
  EXPECT_GT(found, 0);
  ASSERT_TRUE(kept);
  EXPECT_TRUE(Shown(kept->dataset) == expected);
  EXPECT_FALSE(fs::exists(path.string() + kUnfinishedSuffix));
}

}  // namespace
}  // namespace lait
