// A seeded fuzzer for the readers: it damages small valid inputs as accidents and attackers do.
// Every reader must accept the input or throw UserError with a message of clean lines; it must not
// throw another exception, crash, or use much memory or time.
//
// LAIT_FUZZ_INPUTS=10000 sets the number of inputs of each target (make sanitize does). A failure
// prints the seed; the same seed gives the same input.
#pragma once
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "lait/base/error.h"

namespace lait {

inline uint32_t fuzz_inputs() {
  constexpr uint32_t kInputs = 300;  // takes seconds in total
  const char* wanted = std::getenv("LAIT_FUZZ_INPUTS");
  return wanted == nullptr ? kInputs : static_cast<uint32_t>(std::atoi(wanted));
}

class Mutator {
 public:
  // `words` are pieces of the format; pieces that break many formats are added to them.
  Mutator(std::vector<std::string> seeds, std::vector<std::string> words)
      : seeds_(std::move(seeds)), words_(std::move(words)) {
    for (const char* word : {"{",
                             "}",
                             "[",
                             "]",
                             ":",
                             ",",
                             "\"",
                             "'",
                             "\\",
                             "\n",
                             "\r\n",
                             "\t",
                             " ",
                             "-",
                             "#",
                             "0",
                             "-1",
                             "1e999",
                             "18446744073709551616",
                             "9223372036854775807",
                             "nan",
                             "null",
                             "true",
                             "\\ud800",
                             "\\udc00\\ud800",
                             "\\u0000",
                             "\xEF\xBB\xBF",
                             "\xFF",
                             "\xED\xA0\x80",
                             "\xC3",
                             "\xF4\x90\x80\x80",
                             "\xE2\x80\xAE",
                             "&a ",
                             "*a",
                             "<<: ",
                             "---\n",
                             "!!binary ",
                             "${HOME}",
                             "${",
                             "/dev/zero",
                             "../"}) {
      words_.emplace_back(word);
    }
    words_.emplace_back(1, '\0');
  }

  std::string input(uint32_t seed) const {
    std::mt19937 random(seed);
    std::string text = pick(seeds_, random);
    for (uint32_t edits = 1 + random() % 6; edits > 0; --edits) edit(text, random);
    return text;
  }

 private:
  static const std::string& pick(const std::vector<std::string>& list, std::mt19937& random) {
    return list[random() % list.size()];
  }

  void edit(std::string& text, std::mt19937& random) const {
    constexpr size_t kMostBytes = size_t{1} << 18;
    const size_t at = random() % (text.size() + 1),
                 length = std::min<size_t>(random() % 40, text.size() - at);
    switch (random() % 9) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.resize(at);
        break;
      case 4:
        text.insert(at, text.substr(random() % (text.size() + 1), random() % 200));
        break;
      case 5:
        text.insert(at, pick(words_, random));
        break;
      case 6: {  // many repeats: deep nesting, long numbers, long lines
        const std::string word = random() % 2 ? pick(words_, random) : text.substr(at, length);
        const size_t times = size_t{1} << random() % 16;
        std::string many;
        for (size_t i = 0; i < times && many.size() + text.size() < kMostBytes; ++i) many += word;
        text.insert(at, many);
        break;
      }
      case 7: {  // the end of another input
        const std::string& other = pick(seeds_, random);
        text = text.substr(0, at) + other.substr(random() % (other.size() + 1));
        break;
      }
      default: {  // another number in place of one
        const size_t digit = text.find_first_of("0123456789", at);
        if (digit != text.npos)
          text.replace(digit,
                       std::min(text.find_first_not_of("0123456789", digit), text.size()) - digit,
                       std::to_string(random() % 3 ? random() % 100 : random() * 4294967296u));
      }
    }
  }

  std::vector<std::string> seeds_, words_;
};

// Why a text is not an acceptable message, or "". With `lines` it may have several lines, one for
// each mistake.
inline std::string spoilt_message(const std::string& text, bool lines) {
  if (text.empty() || text.front() == '\n' || text.back() == '\n' || text.find("\n\n") != text.npos)
    return "an empty line";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && !(lines && c == '\n')) || u == 0x7F)
      return "the control character " + std::to_string(u);
  }
  return text.size() > 16384 ? "of " + std::to_string(text.size()) + " bytes" : "";
}

inline long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

struct FuzzOptions {
  bool message_may_have_lines = false;  // one for each mistake
  bool takes_everything = false;
};

// Calls read(input) for every input. At least one must be accepted and one refused; otherwise the
// target tests nothing.
inline void fuzz(const Mutator& mutator, const std::function<void(const std::string&)>& read,
                 const FuzzOptions& options = {}) {
#ifdef __SANITIZE_ADDRESS__
  constexpr long kMostKib = 1024 * 1024;  // freed memory is kept for a while to detect its use
#else
  constexpr long kMostKib = 128 * 1024;
#endif
  constexpr double kMostSeconds = 5;  // of processor time, for one input of at most 256 KiB
  const long before = peak_kib();
  uint32_t taken = 0, refused = 0;
  for (uint32_t seed = 0; seed < fuzz_inputs(); ++seed) {
    const std::string input = mutator.input(seed);
    const std::clock_t began = std::clock();
    std::string problem;
    try {
      read(input);
      ++taken;
    } catch (const UserError& error) {
      ++refused;
      problem = spoilt_message(error.what(), options.message_may_have_lines);
      if (!problem.empty())
        problem = "a message with " + problem + ": " +
                  testing::PrintToString(std::string(error.what()).substr(0, 400));
    } catch (const std::exception& error) {
      problem = std::string("an exception of another type: ") + error.what();
    } catch (...) {
      problem = "an exception of no known type";
    }
    const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
    if (seconds > kMostSeconds) problem += " it took " + std::to_string(seconds) + " s";
    ASSERT_EQ(problem, "") << "seed " << seed << ", input of " << input.size()
                           << " bytes: " << testing::PrintToString(input.substr(0, 400));
  }
  EXPECT_LT(peak_kib() - before, kMostKib) << "memory grew too much";
  EXPECT_GT(taken, 0u);
  EXPECT_EQ(refused == 0, options.takes_everything);
}

}  // namespace lait
