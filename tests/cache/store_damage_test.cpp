// Whatever happens to the bytes of a store's files, a value is right or absent.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "lait/cache/segment_store.h"
#include "lait/cache/upkeep.h"
#include "tests/base/temporary_folder.h"
#include "tests/cache/store_values.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

constexpr int kFiles = 3, kValuesOfAFile = 4;
constexpr int kValues = kFiles * kValuesOfAFile;

class StoreDamage : public testing::Test {
 protected:
  void SetUp() override {
    for (int f = 0; f < kFiles; ++f) {
      const fs::path dir = folder_ / std::to_string(f);
      {
        SegmentStore store(dir, {.made_by = "machine " + std::to_string(f)});
        for (int n = 0; n < kValuesOfAFile; ++n)
          append(store, static_cast<uint64_t>(f * kValuesOfAFile + n));
        store.commit();
      }
      std::ifstream in(list_store_files(dir).front().first, std::ios::binary);
      originals_.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    fs::create_directory(dir_);
  }

  // One of the files' bytes, damaged in one way.
  std::string damaged(std::string bytes, std::mt19937& random) const {
    const auto place = [&](const std::string& text) { return random() % (text.size() + 1); };
    const std::string& other = originals_[random() % originals_.size()];
    const size_t at = place(bytes);
    switch (random() % 10) {
      case 0:  // a bit
        bytes[at % bytes.size()] ^= static_cast<char>(1u << random() % 8);
        break;
      case 1:  // a byte
        bytes[at % bytes.size()] = static_cast<char>(random());
        break;
      case 2:  // a bit of a head
        bytes[at % bytes.size() / 64 * 64 + random() % 64] ^= static_cast<char>(1u << random() % 8);
        break;
      case 3:  // cut off
        bytes.resize(at);
        break;
      case 4:  // a hole
        std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at),
                    std::min<size_t>(random() % 5000, bytes.size() - at), '\0');
        break;
      case 5:  // bytes are missing
        bytes.erase(at, random() % 200);
        break;
      case 6:  // lines of 64 bytes of a file over those of another
      case 7: {
        const size_t to = at / 64 * 64, from = place(other) / 64 * 64;
        bytes.replace(to, std::min<size_t>(64 * (1 + random() % 8), bytes.size() - to), other, from,
                      64 * (1 + random() % 8));
        break;
      }
      case 8:  // the end of another file
        bytes = bytes.substr(0, at / 64 * 64) + other.substr(place(other) / 64 * 64);
        break;
      default:  // bytes come in
        bytes.insert(at, other, place(other), random() % 200);
        break;
    }
    return bytes;
  }

  // Removed first: ext4 syncs a file that replaces its content, which takes most of the time.
  void write_file(int file, const std::string& bytes) const {
    const std::string name = "store/" + std::to_string(file) + ".segments";
    fs::remove(folder_ / name);
    folder_.write(name, bytes);
  }

  TemporaryFolder folder_;
  fs::path dir_ = folder_ / "store";
  std::vector<std::string> originals_;
};

TEST_F(StoreDamage, NeverGivesAWrongValue) {
  constexpr uint32_t kInputs = 10000;
  int changed = 0, detected = 0, harmless = 0;
  for (uint32_t seed = 0; seed < kInputs; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::string> files = originals_;
    for (uint32_t edits = 1 + random() % 3; edits > 0; --edits) {
      std::string& file = files[random() % files.size()];
      if (!file.empty()) file = damaged(file, random);
    }
    if (random() % 10 == 0) std::swap(files[0], files[1]);
    for (int f = 0; f < kFiles; ++f) write_file(f, files[static_cast<size_t>(f)]);
    const SegmentStore store(dir_);
    const int right = num_right(store, kValues);
    ASSERT_GE(right, 0) << "seed " << seed << ": a wrong value";
    const bool has_faults = !verify_store(dir_).faults.empty();
    // A value that is missing is a fault, or its file was cut between records.
    ++changed;
    detected += has_faults;
    harmless += !has_faults && right == kValues;
  }
  RecordProperty("detected", detected);
  RecordProperty("harmless", harmless);
  EXPECT_GT(detected, changed / 2);
  EXPECT_GT(detected + harmless, changed * 9 / 10);
}

// Every bit that can be flipped, one at a time: of heads, payloads, and the zeros between.
TEST_F(StoreDamage, EachFlippedBitIsDetectedOrHarmless) {
  const std::string original = originals_[0];
  for (size_t at = 0; at < original.size(); at += at < 512 ? 1 : 7) {
    std::string bytes = original;
    bytes[at] ^= static_cast<char>(1u << at % 8);
    write_file(0, bytes);
    const int right = num_right(SegmentStore(dir_), kValuesOfAFile);
    ASSERT_GE(right, 0) << "byte " << at;
    ASSERT_EQ(right < kValuesOfAFile, !verify_store(dir_).faults.empty()) << "byte " << at;
  }
}

TEST_F(StoreDamage, EachCutKeepsTheRecordsBefore) {
  const std::string original = originals_[0];
  int before = 0;
  for (size_t size = 0; size <= original.size(); size += 13) {
    write_file(0, original.substr(0, size));
    const int right = num_right(SegmentStore(dir_), kValuesOfAFile);
    ASSERT_GE(right, before) << size;
    before = right;
  }
  EXPECT_GE(before, kValuesOfAFile - 1);
}

// A length that would reach beyond everything, in a head that is otherwise right.
TEST_F(StoreDamage, AnAbsurdLengthEndsTheFile) {
  for (const uint64_t length : {uint64_t{1} << 20, uint64_t{1} << 62, ~uint64_t{0},
                                ~uint64_t{0} - 63, ~uint64_t{0} - 191}) {
    std::string bytes = originals_[0];
    RecordHead head;
    std::memcpy(&head, bytes.data() + 128, sizeof(head));
    ASSERT_EQ(head.offset, 128u);
    head.bytes = length;
    head = sealed(head);
    std::memcpy(bytes.data() + 128, &head, sizeof(head));
    write_file(0, bytes);
    EXPECT_EQ(num_right(SegmentStore(dir_), kValuesOfAFile), 1) << length;
    const StoreCheck check = verify_store(dir_);
    ASSERT_EQ(check.faults.size(), 1u);
    EXPECT_EQ(check.faults[0].offset, 128u);
    EXPECT_EQ(check.faults[0].what,
              "the last " + std::to_string(bytes.size() - 128) + " bytes are no whole record");
  }
}

}  // namespace
}  // namespace lait
