// What all programs share: exit codes, one message on stderr, a version with the commit, a closed
// pipe.
#include "lait/base/program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <vector>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"

namespace lait {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run(std::vector<std::string> arguments, const std::function<int()>& body) {
  CLI::App app{"A test.", "lait-test"};
  int number = 0;
  app.add_option("--number", number, "a number");
  arguments.insert(arguments.begin(), "lait-test");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = run_program(app, static_cast<int>(argv.size()), argv.data(), body);
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

int never() {
  ADD_FAILURE() << "the body ran";
  return 0;
}

TEST(Program, BodysCodeIsTheExitCode) {
  EXPECT_EQ(run({}, [] { return 0; }).code, 0);
  EXPECT_EQ(run({"--number", "3"}, [] { return 143; }).code, 143);
}

TEST(Program, UsersMistakesExitWithTwo) {
  const Outcome outcome =
      run({}, []() -> int { throw UserError("a.tsv:3: expected 2 columns, got 1"); });
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err, "lait-test: a.tsv:3: expected 2 columns, got 1\n");
  EXPECT_EQ(outcome.out, "");
}

TEST(Program, OurMistakesExitWithOne) {
  Outcome outcome = run({}, []() -> int { throw std::logic_error("this should not be"); });
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "lait-test: this should not be\n");
  outcome = run({}, []() -> int { throw 7; });
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, StartsWith("lait-test: "));
}

TEST(Program, FilesAndMemoryThatAreNotGivenExitWithTwo) {
  Outcome outcome = run(
      {}, []() -> int { return static_cast<int>(std::filesystem::file_size("/no/such/file")); });
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(
      outcome.err,
      "lait-test: /no/such/file: No such file or directory; check the path and your permissions\n");
  outcome = run({}, []() -> int { throw std::bad_alloc(); });
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, StartsWith("lait-test: out of memory; "));
}

TEST(Program, WrongOptionsExitWithTwoAndNameTheOption) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--nubmer", "3"},
                                                    {"--number", "three"},
                                                    {"--number"},
                                                    {"stray"}}) {
    const Outcome outcome = run(arguments, never);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, StartsWith("lait-test: "));
    EXPECT_THAT(outcome.err, HasSubstr(arguments[0]));
    EXPECT_THAT(outcome.err, HasSubstr("see lait-test --help"));
    EXPECT_EQ(outcome.out, "");
  }
}

// `--text "$UNSET"`: not the default, and not 0.
TEST(Program, EmptyValuesAreRefused) {
  const Outcome outcome = run({"--number", ""}, never);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err,
            "lait-test: --number: expected a value, got an empty text; leave the option out, or "
            "give one\n");
}

TEST(Program, HelpAndVersionGoToStandardOutput) {
  const Outcome help = run({"--help"}, never);
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("--number"));
  const Outcome version = run({"--version"}, never);
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out, version_string() + "\n");
  EXPECT_THAT(
      version.out,
      testing::MatchesRegex("lait [0-9]+\\.[0-9]+\\.[0-9]+ \\((unknown|[0-9a-f]+(-dirty)?)\\)\n"));
}

TEST(Program, ShownNumbersHaveNoMinusNan) {
  EXPECT_EQ(std::to_string(shown_number(-std::nan(""))), "nan");
  EXPECT_EQ(shown_number(-0.5), -0.5);
}

TEST(Program, WordsAreQuotedForTheShell) {
  EXPECT_EQ(shell_words({"build/bin/lait-train", "--set", "model.independent_layers=0,3"}),
            "build/bin/lait-train --set model.independent_layers=0,3");
  EXPECT_EQ(shell_words({"a b", "it's", "", "$HOME"}), "'a b' 'it'\\''s' '' '$HOME'");
}

TEST(Program, ASiblingLiesInTheSameFolder) {
  EXPECT_EQ(sibling_program("build/bin/lait-train", "lait-eval"), "build/bin/lait-eval");
  EXPECT_EQ(sibling_program("lait-train", "lait-eval"), "lait-eval");
}

// Runs the body in a child process whose standard output is `descriptor`. Returns its exit code, or
// minus the signal that ended it.
int child(int descriptor, const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(descriptor, STDOUT_FILENO);
    CLI::App app{"A test.", "lait-test"};
    char name[] = "lait-test";
    char* argv[] = {name, nullptr};
    _exit(run_program(app, 1, argv, body));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Program, ClosedPipeEndsQuietlyWithZero) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  const int code = child(ends[1], [] {
    for (int i = 0; i < 1'000'000; ++i) std::printf("a line that nobody reads\n");
    return 5;
  });
  close(ends[1]);
  EXPECT_EQ(code, 0);
}

// The last output may be lost when the final flush fails; that must not look like success.
TEST(Program, FullDiskUnderStandardOutputIsAnError) {
  const int full = open("/dev/full", O_WRONLY);
  if (full < 0) GTEST_SKIP() << "no /dev/full here";
  const int code = child(full, [] {
    std::printf("a line that cannot be written\n");
    return 0;
  });
  close(full);
  EXPECT_EQ(code, 2);
}

}  // namespace
}  // namespace lait
