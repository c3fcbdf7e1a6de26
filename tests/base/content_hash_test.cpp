// Hashes of contents, and work on several threads.
#include "lait/base/content_hash.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

#include "lait/base/parallel.h"

namespace lait {
namespace {

std::string hash_of(const std::string& bytes) {
  ContentHash hash;
  hash.add(bytes.data(), bytes.size());
  return to_string(hash.digest());
}

TEST(ContentHash, DoesNotDependOnHowBytesAreDivided) {
  std::mt19937 random(1);
  for (size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    ContentHash hash;
    for (size_t at = 0; at < size;) {
      const size_t part = std::min<size_t>(random() % 40, size - at);
      hash.add(bytes.data() + at, part);
      at += part;
    }
    EXPECT_EQ(to_string(hash.digest()), hash_of(bytes)) << size;
  }
}

// Contents that differ little: every bit, every length, zeros.
TEST(ContentHash, DiffersWhereContentsDo) {
  std::set<std::string> seen;
  size_t count = 0;
  const auto add = [&](const std::string& bytes) {
    seen.insert(hash_of(bytes));
    ++count;
  };
  for (size_t size = 0; size < 100; ++size) add(std::string(size, '\0'));
  for (size_t bit = 0; bit < 8 * size_t{75}; ++bit) {
    std::string bytes(75, 'a');
    bytes[bit / 8] ^= static_cast<char>(1u << bit % 8);
    add(bytes);
  }
  EXPECT_EQ(seen.size(), count);
  ContentHash one, other;
  one.add_text("ab");
  one.add_text("c");
  other.add_text("a");
  other.add_text("bc");
  EXPECT_NE(one.digest(), other.digest());
}

TEST(ForEachOn, CallsEachOnceAndThrowsWhatTheFirstThrew) {
  for (const int threads : {1, 2, 5}) {
    std::vector<std::atomic<int>> calls(100);
    for_each_on(threads, 100, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
    for_each_on(threads, 0, [](int64_t) { FAIL(); });
    try {
      for_each_on(threads, 100, [](int64_t i) {
        if (i >= 30) throw std::runtime_error(std::to_string(i));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "30") << threads;
    }
  }
}

}  // namespace
}  // namespace lait
