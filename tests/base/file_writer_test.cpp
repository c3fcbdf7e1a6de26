// Files are written completely or not at all: full disks, lost permissions, vanished folders, two
// writers, crashes.
#include "lait/base/file_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lait/base/files.h"
#include "lait/base/signals.h"
#include "tests/base/small_disk.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

std::string write_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const WriteError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "";
}

const std::string kMegabyte(1 << 20, 'm');

TEST(FileWriter, FullDiskLeavesTheOldFileAndNothingElse) {
  SmallDisk disk(512);
  write_file(disk / "a", "old");
  disk.fill(64);
  const std::string message = write_error([&] { write_file(disk / "a", kMegabyte); });
  EXPECT_THAT(message,
              StartsWith((disk / "a").string() + ": cannot write: " + disk.reason() + "; "));
  disk.free();
  EXPECT_THAT(contents(disk.path()), ElementsAre(Pair("a", "old")));
  write_file(disk / "a", "new");
  EXPECT_EQ(read_file(disk / "a"), "new");
}

TEST(FileWriter, FilesThatBelongTogetherAreReplacedTogether) {
  SmallDisk disk(512);
  write_files({{disk / "a", "old a"}, {disk / "b", "old b"}});
  disk.fill(64);
  EXPECT_THAT(write_error([&] {
                write_files({{disk / "a", "new a"}, {disk / "b", kMegabyte}});
              }),
              StartsWith((disk / "b").string()));
  disk.free();
  EXPECT_THAT(contents(disk.path()), ElementsAre(Pair("a", "old a"), Pair("b", "old b")));
}

TEST(FileWriter, AppendingOnAFullDiskTakesBackTheHalfLine) {
  SmallDisk disk(512);
  append_text(disk / "log", "one\n");
  append_text(disk / "log", "two\n");
  disk.fill(64);
  EXPECT_THAT(write_error([&] { append_text(disk / "log", kMegabyte); }),
              StartsWith((disk / "log").string() + ": cannot write: " + disk.reason()));
  disk.free();
  EXPECT_EQ(read_file(disk / "log"), "one\ntwo\n");
}

TEST(FileWriter, LostPermission) {
  const TemporaryFolder folder;
  write_file(folder / "in/a", "old");
  {
    const ReadOnly read_only(folder / "in");
    const NoPowers no_powers;
    EXPECT_EQ(write_error([&] { write_file(folder / "in/a", "new"); }),
              (folder / "in/a").string() +
                  ": cannot write: Permission denied; give yourself the permission to write there, "
                  "or name another place");
    EXPECT_THAT(write_error([&] { write_file(folder / "in/deeper/a", "new"); }),
                HasSubstr("in/deeper: cannot make the folder: Permission denied"));
  }
  EXPECT_THAT(contents(folder.path()), ElementsAre(Pair("in/a", "old")));
}

TEST(FileWriter, AFolderThatVanishesWhileWriting) {
  const TemporaryFolder folder;
  FileWriter writer(folder / "in/a");
  writer.write("text");
  fs::remove_all(folder / "in");
  EXPECT_EQ(write_error([&] { writer.commit(); }),
            (folder / "in/a").string() +
                ": cannot rename into place: No such file or directory; the folder is gone: make "
                "it again, or name another place");
  EXPECT_FALSE(fs::exists(folder / "in"));
}

TEST(FileWriter, PathsThatCannotBeFiles) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  EXPECT_THAT(write_error([&] { write_file(folder.path(), "x"); }),
              HasSubstr("expected a file, got a folder"));
  EXPECT_THAT(write_error([&] { write_file(folder / "file/under", "x"); }),
              HasSubstr("Not a directory; a part of the path is a file"));
  EXPECT_THAT(write_error([&] { write_file(folder / std::string(300, 'n'), "x"); }),
              HasSubstr("name a shorter path"));
  EXPECT_THAT(contents(folder.path()), ElementsAre(Pair("file", "old")));
}

TEST(FileWriter, ALinkStaysAndItsFileIsWritten) {
  const TemporaryFolder folder;
  write_file(folder / "disk/model", "old");
  fs::create_directories(folder / "run");
  fs::create_symlink("../disk/model", folder / "run/relative");
  fs::create_symlink(folder / "run/relative", folder / "run/absolute");
  fs::create_symlink("../disk/made/later", folder / "run/dangling");
  write_file(folder / "run/absolute", "new");
  write_file(folder / "run/dangling", "later");
  for (const char* name : {"run/relative", "run/absolute", "run/dangling"})
    EXPECT_TRUE(fs::is_symlink(folder / name)) << name;
  EXPECT_EQ(read_file(folder / "disk/model"), "new");
  EXPECT_EQ(read_file(folder / "disk/made/later"), "later");
  fs::create_symlink("circle", folder / "circle");
  EXPECT_THAT(write_error([&] { write_file(folder / "circle", "x"); }),
              HasSubstr("circle: cannot write: Too many levels of symbolic links; the links form "
                        "a loop"));
}

TEST(FileWriter, AFileKeepsItsPermissions) {
  const TemporaryFolder folder;
  for (const auto mode : {fs::perms{0600}, fs::perms{0640}, fs::perms{0777}}) {
    write_file(folder / "a", "old");
    fs::permissions(folder / "a", mode);
    {
      FileWriter writer(folder / "a");
      EXPECT_EQ(fs::status(folder / "a.writing").permissions(), mode) << "while it is written";
      writer.write("new");
      writer.commit();
    }
    EXPECT_EQ(fs::status(folder / "a").permissions(), mode);
    EXPECT_EQ(read_file(folder / "a"), "new");
  }
}

// The signal handler's function removes the temporary files of the open writers, and nothing else.
TEST(FileWriter, ASignalsHandlerRemovesWhatIsUnfinished) {
  const TemporaryFolder folder;
  write_file(folder / "other.writing", "a user's");
  {
    FileWriter first(folder / "a"), second(folder / "b");
    first.commit();
    write_file(folder / "c", "whole");
    EXPECT_TRUE(fs::exists(folder / "b.writing"));
    remove_unfinished_files();
    EXPECT_FALSE(fs::exists(folder / "b.writing"));
  }
  write_file(folder / "b.writing", "a user's");
  remove_unfinished_files();
  for (const char* name : {"a", "c", "other.writing", "b.writing"})
    EXPECT_TRUE(fs::exists(folder / name)) << name;
  std::vector<std::unique_ptr<FileWriter>> many;  // more than the handler's list holds
  for (int i = 0; i < 40; ++i)
    many.push_back(std::make_unique<FileWriter>(folder / ("many" + std::to_string(i))));
  for (const auto& writer : many) writer->commit();
  EXPECT_TRUE(fs::exists(folder / "many39"));
}

// At whatever instruction the signal comes: also between a file's opening and its noting.
TEST(FileWriter, ASignalAtAnyMomentLeavesNothing) {
  const TemporaryFolder folder;
  for (int i = 0; i < 60; ++i) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      exit_on_signals();
      ::close(ready[0]);
      ::close(ready[1]);
      for (;;) FileWriter(folder / "a");
    }
    ::close(ready[1]);
    char none;
    ASSERT_EQ(::read(ready[0], &none, 1), 0);  // the child's end is closed
    ::close(ready[0]);
    ::usleep(300 + 37 * i);
    ::kill(child, SIGTERM);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), 143);
    ASSERT_FALSE(fs::exists(folder / "a.writing")) << "round " << i;
  }
}

TEST(FileWriter, DevicesAreWrittenDirectly) {
  write_file("/dev/null", "text");
  EXPECT_FALSE(fs::exists(std::string("/dev/null") + kUnfinishedSuffix));
  EXPECT_EQ(write_error([] { write_file("/dev/full", "text"); }),
            "/dev/full: cannot write: No space left on device; free some space there, or name "
            "another place");
}

// lait-predict --output /dev/stdout >> predictions
TEST(FileWriter, ADescriptorsNameIsWrittenDirectly) {
  const TemporaryFolder folder;
  write_file(folder / "a", "before\n");
  const int fd = ::open((folder / "a").c_str(), O_WRONLY | O_APPEND);
  fs::create_symlink("/proc/self/fd/" + std::to_string(fd), folder / "stdout");
  write_file(folder / "stdout", "after\n");
  ::close(fd);
  fs::remove(folder / "stdout");
  EXPECT_THAT(contents(folder.path()), ElementsAre(Pair("a", "before\nafter\n")));
}

TEST(FileWriter, TheSecondOfTwoWritersIsRefused) {
  const TemporaryFolder folder;
  std::optional<FileWriter> first(folder / "a");
  first->write("first");
  EXPECT_THAT(
      write_error([&] { FileWriter second(folder / "a"); }),
      StartsWith((folder / "a").string() + ": cannot write: another process is writing it"));
  first->commit();
  first.reset();
  write_file(folder / "a", "second");
  EXPECT_EQ(read_file(folder / "a"), "second");
}

TEST(FileWriter, WhatACrashLeftIsTakenOver) {
  const TemporaryFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    FileWriter writer(folder / "a");
    writer.write("much longer than what comes after it");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(fs::exists((folder / "a").string() + kUnfinishedSuffix));
  write_file(folder / "a", "short");
  EXPECT_THAT(contents(folder.path()), ElementsAre(Pair("a", "short")));
}

}  // namespace
}  // namespace lait
