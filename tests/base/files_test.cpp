// Files: lines and their numbers in plain and gzip files, errors that name the file, files that are
// written completely or not at all.
#include "lait/base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <fstream>
#include <random>
#include <vector>

#include "tests/base/error_of.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

void put(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

void put_gzip(const fs::path& path, const std::string& content) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, content.data(), static_cast<unsigned>(content.size())),
            static_cast<int>(content.size()));
  gzclose(file);
}

std::string read_file_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> lines(const fs::path& path) {
  LineReader reader(path);
  std::vector<std::string> out;
  while (auto line = reader.next()) out.push_back(*line);
  return out;
}

TEST(LineReader, GzipFilesOneBehindTheOtherAndWhatIsNone) {
  const TemporaryFolder folder;
  put_gzip(folder / "a.gz", "one\ntwo\n");
  put_gzip(folder / "b.gz", "three\n");
  const std::string a = read_file_bytes(folder / "a.gz"), b = read_file_bytes(folder / "b.gz");
  put(folder / "both.gz", a + b);
  EXPECT_THAT(lines(folder / "both.gz"), ElementsAre("one", "two", "three"));
  put(folder / "zeros.gz", a + std::string(1000, '\0'));  // padding of tape blocks
  EXPECT_THAT(lines(folder / "zeros.gz"), ElementsAre("one", "two"));
  for (const std::string& behind :
       {std::string("three\n"), std::string("\0x", 2), b.substr(0, 12), std::string("\x1f")}) {
    put(folder / "more.gz", a + behind);
    EXPECT_THAT(error_of([&] { lines(folder / "more.gz"); }),
                HasSubstr("more.gz: expected a whole gzip file, got a truncated or damaged one ("));
  }
}

// A descriptor is read from its current offset: what the shell's `read` consumed is not read again.
TEST(LineReader, ADescriptorIsReadFromWhereItStands) {
  const TemporaryFolder folder;
  put(folder / "a", "taken\nleft\n");
  const int fd = ::open((folder / "a").c_str(), O_RDONLY);
  char taken[6];
  ASSERT_EQ(::read(fd, taken, sizeof(taken)), 6);
  LineReader reader(fd, "standard input");
  ::close(fd);  // the reader has its own copy
  EXPECT_EQ(reader.next(), "left");
  EXPECT_EQ(reader.where(), "standard input:1");
  EXPECT_EQ(reader.next(), std::nullopt);
  EXPECT_THAT(error_of([] { LineReader(-1, "standard input"); }),
              HasSubstr("standard input: cannot read: Bad file descriptor"));
}

TEST(MappedFile, APipeIsRefusedAndNotWaitedFor) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { MappedFile(folder / "pipe"); }), HasSubstr("not a regular file"));
}

TEST(LineReader, EndsBytesAndNumbers) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.txt";
  put(path, std::string("\xEF\xBB\xBF") + "one\r\n\ntwo\rhalf\xFF\n" + std::string("nu\0l", 4) +
                "\n\xEF\xBB\xBFlast");
  EXPECT_THAT(lines(path),
              ElementsAre("one", "", "two\rhalf\xFF", std::string("nu\0l", 4), "\xEF\xBB\xBFlast"));
  LineReader reader(path);
  EXPECT_EQ(reader.line_number(), 0);
  reader.next();
  reader.next();
  EXPECT_EQ(reader.line_number(), 2);
  EXPECT_EQ(reader.where(), path.string() + ":2");
}

TEST(LineReader, AGitLfsPointerIsNotTheFile) {
  TemporaryFolder dir;
  const auto path =
      dir.write("a.json", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
  const std::string error =
      path.string() + ": expected the file, got a git-lfs pointer to it; run git lfs pull";
  EXPECT_EQ(error_of([&] { read_file(path); }), error);
  EXPECT_EQ(error_of([&] { LineReader(path).next(); }), error);
}

TEST(LineReader, EmptyFileAndLastNewline) {
  const TemporaryFolder folder;
  put(folder / "empty", "");
  EXPECT_THAT(lines(folder / "empty"), ElementsAre());
  put(folder / "newline", "\n");
  EXPECT_THAT(lines(folder / "newline"), ElementsAre(""));
  put(folder / "mark", "\xEF\xBB\xBF");
  EXPECT_THAT(lines(folder / "mark"), ElementsAre(""));
}

// For all lengths of lines relative to the buffer, plain and gzip give the lines that were written.
TEST(LineReader, ReturnsWhatWasWrittenAtEveryLength) {
  const TemporaryFolder folder;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::string> wanted;
    std::string content;
    for (int i = 0; i < 30; ++i) {
      const int kind = static_cast<int>(random() % 3);
      const size_t size = kind == 0   ? random() % 5
                          : kind == 1 ? random() % 1000
                                      : 262100 + random() % 100;
      std::string line(size, ' ');
      for (char& c : line) c = static_cast<char>('a' + random() % 26);
      wanted.push_back(line);
      content += line + (random() % 2 ? "\n" : "\r\n");
    }
    put(folder / "plain.txt", content);
    put_gzip(folder / "packed.txt.gz", content);
    EXPECT_EQ(lines(folder / "plain.txt"), wanted) << "seed " << seed;
    EXPECT_EQ(lines(folder / "packed.txt.gz"), wanted) << "seed " << seed;
    EXPECT_EQ(read_file(folder / "packed.txt.gz"), content) << "seed " << seed;
  }
}

TEST(LineReader, ErrorsNameTheFileAndTheReason) {
  const TemporaryFolder folder;
  const std::string missing = (folder / "missing").string();
  EXPECT_EQ(error_of([&] { LineReader reader(missing); }),
            missing + ": cannot read: No such file or directory; check the path");
  const fs::path inner = folder / "inner";
  fs::create_directory(inner);
  EXPECT_THAT(error_of([&] { read_file(inner); }), HasSubstr("it is a folder"));
  put(folder / "long", "ok\n" + std::string(100, 'x') + "\n");
  EXPECT_THAT(error_of([&] {
                LineReader reader(folder / "long", /*max_line_bytes=*/99);
                while (reader.next()) continue;
              }),
              HasSubstr("long:2: expected lines of at most 99 bytes, got a longer one"));
}

TEST(LineReader, DamagedGzipIsAnErrorAtEveryCut) {
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 2000; ++i) content += std::to_string(i * 7919) + "\n";
  put_gzip(folder / "whole.gz", content);
  std::ifstream stream(folder / "whole.gz", std::ios::binary);
  const std::string packed((std::istreambuf_iterator<char>(stream)), {});
  for (const size_t cut :
       {packed.size() / 2, packed.size() - 9, packed.size() - 8, packed.size() - 1}) {
    put(folder / "cut.gz", packed.substr(0, cut));
    EXPECT_THAT(error_of([&] { read_file(folder / "cut.gz"); }),
                HasSubstr("cut.gz: expected a whole gzip file"))
        << "cut at " << cut;
  }
  std::string flipped = packed;
  flipped[packed.size() / 2] = static_cast<char>(flipped[packed.size() / 2] ^ 0x55);
  put(folder / "flipped.gz", flipped);
  EXPECT_THAT(error_of([&] { lines(folder / "flipped.gz"); }),
              HasSubstr("flipped.gz: expected a whole gzip file"));
}

TEST(LineReader, TextCalledGzipIsAnError) {
  const TemporaryFolder folder;
  for (const char* content : {"no gzip at all\n", ""}) {
    put(folder / "text.gz", content);
    EXPECT_THAT(error_of([&] { lines(folder / "text.gz"); }),
                HasSubstr("text.gz: expected a whole gzip file"));
  }
}

TEST(WriteFile, MakesFoldersReplacesWholeAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a/b/c.txt";
  write_file(path, "first");
  write_file(path, std::string(1 << 20, 'z'));
  EXPECT_EQ(read_file(path), std::string(1 << 20, 'z'));
  write_file(path, "");
  EXPECT_EQ(read_file(path), "");
  int entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(path.parent_path())) ++entries;
  EXPECT_EQ(entries, 1) << "a temporary file stayed";
}

// The unpacked size of a gzip file is bounded relative to its own, and a file that is read whole by
// a limit.
TEST(ReadFile, BombsAndLongFilesAreRefused) {
  const TemporaryFolder folder;
  const std::string block = std::string((1 << 20) - 1, 'x') + "\n";
  gzFile file = gzopen((folder / "bomb.gz").c_str(), "wb9");
  for (int i = 0; i < 100; ++i) gzwrite(file, block.data(), static_cast<unsigned>(block.size()));
  gzclose(file);
  EXPECT_THAT(error_of([&] {
                for (LineReader reader(folder / "bomb.gz"); reader.next();) continue;
              }),
              HasSubstr("bomb.gz: expected text, got a gzip file that grows more than 200 times"));
  EXPECT_THAT(error_of([&] { read_file(folder / "bomb.gz"); }),
              HasSubstr("grows more than 200 times"));
  EXPECT_EQ(
      error_of([&] { read_file(folder / "bomb.gz", 1000); }),
      (folder / "bomb.gz").string() + ": expected a file of at most 1000 bytes, got a longer one");
  put(folder / "short", "12345");
  EXPECT_EQ(read_file(folder / "short", 5), "12345");
  EXPECT_THAT(error_of([&] { read_file(folder / "short", 4); }),
              HasSubstr("expected a file of at most 4 bytes"));
}

// A line of a hundred million bytes is refused before it is all in memory.
TEST(LineReader, AHugeLineIsRefusedEarly) {
  const TemporaryFolder folder;
  fs::resize_file(folder.write("huge", "a"), 100'000'000);
  EXPECT_THAT(error_of([&] { lines(folder / "huge"); }),
              HasSubstr("huge:1: expected lines of at most 16777216 bytes, got a longer one"));
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  const std::string content("bytes \0 and more", 16);
  put(folder / "m", content);
  const MappedFile map(folder / "m");
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(map.data()), map.size()), content);
  put(folder / "empty", "");
  EXPECT_EQ(MappedFile(folder / "empty").size(), 0u);
}

TEST(MappedFile, ErrorsNameTheFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { MappedFile map(folder / "no"); }),
              HasSubstr("no: cannot read: No such file or directory"));
  const fs::path inner = folder / "inner";
  fs::create_directory(inner);
  EXPECT_THAT(error_of([&] { MappedFile map(inner); }), HasSubstr("inner: cannot read:"));
}

}  // namespace
}  // namespace lait
