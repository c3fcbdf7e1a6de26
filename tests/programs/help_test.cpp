// --help of every program: the same sections in each, a synopsis with exactly the options, options
// that the documents name, and the same options in bash completion.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/base/shell.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

std::string output_of(const std::string& command) {
  static const TemporaryFolder folder;
  const ShellResult result = shell("cd '" LAIT_BUILD_DIR "/bin' && " + command, folder.path());
  EXPECT_EQ(result.code, 0) << command << "\n" << result.err;
  return result.out;
}

Names matches(const std::string& text, const std::regex& pattern) {
  Names out;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
    out.insert((*it)[1]);
  return out;
}

std::string section(const std::string& page, const std::string& title) {
  const size_t begin = page.find("\n" + title + "\n");
  if (begin == std::string::npos) return "";
  const size_t end = page.find("\n\n", begin + 1);
  return page.substr(begin + title.size() + 2,
                     end == std::string::npos ? end : end - begin - title.size() - 1);
}

struct Page {
  std::string text;
  Names options, commands;
};

// "lait-data", "lait-data stat" and so on, with the options and commands that their pages list.
std::map<std::string, Page> pages() {
  std::map<std::string, Page> out;
  auto read = [&](const std::string& name) -> const Page& {
    Page page{output_of("./" + name + " --help"), {}, {}};
    page.options = matches(section(page.text, "OPTIONS"),
                           std::regex(R"((?:^|\n)  (?:-[a-z], )?(--[a-z][a-z-]*))"));
    page.commands = matches(section(page.text, "COMMANDS"), std::regex(R"((?:^|\n)  ([a-z-]+) )"));
    return out[name] = page;
  };
  for (const auto& entry : fs::directory_iterator(LAIT_BUILD_DIR "/bin")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("lait-")) continue;
    for (const std::string& command : Names(read(name).commands)) read(name + " " + command);
  }
  return out;
}

TEST(Help, PagesHaveTheSameSections) {
  const auto all = pages();
  EXPECT_GE(all.size(), 9u);
  for (const auto& [name, page] : all) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(page.text.starts_with("NAME\n  " + name + " - ")) << page.text;
    size_t at = 0;
    for (const char* title : {"SYNOPSIS", "OPTIONS", "EXIT STATUS"}) {
      const size_t found = page.text.find("\n\n" + std::string(title) + "\n", at);
      ASSERT_NE(found, std::string::npos) << title << " is missing, or not in its place";
      at = found;
    }
    if (page.commands.empty()) {
      EXPECT_THAT(section(page.text, "EXAMPLES"), testing::HasSubstr("  " + name + " "));
    }
    std::istringstream lines(page.text);
    for (std::string line; std::getline(lines, line);) {
      if (line.find("lait-") != std::string::npos) continue;  // command lines
      EXPECT_LE(line.size(), 110u) << line;                   // bytes; 100 columns
    }
  }
}

TEST(Help, ParagraphsAreAsWideAsTheTerminal) {
  const auto longest_line = [](const std::string& columns) {
    std::istringstream lines(
        section(output_of("COLUMNS=" + columns + " ./lait-train --help"), "DESCRIPTION"));
    size_t longest = 0;
    for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
    return longest;
  };
  EXPECT_LE(longest_line("50"), 50u);
  EXPECT_GT(longest_line("90"), 70u);
  EXPECT_LE(longest_line("300"), 100u) << "nobody reads longer lines";
}

TEST(Help, SynopsesNameTheOptionsAndNoOthers) {
  for (const auto& [name, page] : pages()) {
    if (!page.commands.empty()) continue;
    Names expected = page.options;
    for (const char* everywhere : {"--help", "--version"}) expected.erase(everywhere);
    EXPECT_EQ(matches(section(page.text, "SYNOPSIS"), std::regex(R"((--[a-z][a-z-]*))")), expected)
        << name;
  }
}

TEST(Help, DocumentsAndExamplesNameOptionsThatExist) {
  const auto all = pages();
  std::string text;
  for (const auto& entry : fs::directory_iterator(LAIT_SOURCE_DIR "/docs")) {
    if (entry.path().extension() != ".md") continue;
    std::ifstream in(entry.path());
    text.append(std::istreambuf_iterator<char>(in), {});
  }
  for (const char* file : {"README.md", "CONTRIBUTING.md", "Dockerfile", "configs/demo.sh"}) {
    std::ifstream in(fs::path(LAIT_SOURCE_DIR) / file);
    text.append(std::istreambuf_iterator<char>(in), {});
  }
  for (const auto& [name, page] : all) text += section(page.text, "EXAMPLES");
  text = std::regex_replace(text, std::regex(R"(\\\n\s*)"), " ");  // continued lines
  int checked = 0;
  // A command line ends at the end of its line, a backquote, a pipe or a redirection.
  const std::regex command_line(
      R"((lait-(?:train|eval|predict|serve|cache|data|bench))[ "]+([^\n`|>;&]*))");
  for (std::sregex_iterator it(text.begin(), text.end(), command_line), end; it != end; ++it) {
    std::string name = (*it)[1];
    const std::string arguments = (*it)[2];
    ASSERT_TRUE(all.contains(name)) << name;
    if (const std::string command = arguments.substr(0, arguments.find(' '));
        all.at(name).commands.contains(command))
      name += " " + command;
    for (const std::string& option :
         matches(arguments, std::regex(R"((?:^|\s)(--[a-z][a-z-]*))"))) {
      EXPECT_TRUE(all.at(name).options.contains(option))
          << (*it)[0] << ": " << name << " has no " << option;
      ++checked;
    }
  }
  EXPECT_GT(checked, 20) << "command lines not found";
}

// The messages of a program may only name what it has. `text` is of one or more sources.
std::string string_literals(const std::string& text) {
  std::string out;
  const std::regex comment(R"(//[^\n]*)"), literal(R"re("((?:[^"\\\n]|\\.)*)")re");
  const std::string code = std::regex_replace(text, comment, "");
  for (std::sregex_iterator it(code.begin(), code.end(), literal), end; it != end; ++it)
    out += it->str(1) + "\n";
  return out;
}

TEST(Help, MessagesNameOptionsThatTheProgramHas) {
  const auto all = pages();
  int checked = 0;
  const std::map<std::string, std::vector<std::string>> programs_of = {
      {"eval",
       {"lait-eval", "lait-predict", "lait-serve", "lait-cache build", "lait-cache stat",
        "lait-cache verify", "lait-cache prune"}},
      {"eval/serve", {"lait-serve"}},
      {"eval/bench", {"lait-bench tokenizer", "lait-bench attention"}},
      {"train",
       {"lait-train", "lait-eval", "lait-predict", "lait-serve", "lait-data wordnet",
        "lait-data stat", "lait-data split", "lait-data export", "lait-bench tokenizer",
        "lait-bench attention", "lait-bench train-step", "lait-bench cache", "lait-bench serve"}}};
  for (const auto& [folder, programs] : programs_of) {
    for (const auto& entry : fs::directory_iterator(fs::path(LAIT_SOURCE_DIR) / folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      const std::string text = string_literals(std::string(std::istreambuf_iterator<char>(in), {}));
      // A program's own source: its options alone.
      std::string own = entry.path().stem();
      std::ranges::replace(own, '_', '-');
      Names known;
      for (const std::string& program : programs) {
        if (!own.starts_with("lait-") || program.starts_with(own) || own == "lait-train")
          known.insert(all.at(program).options.begin(), all.at(program).options.end());
      }
      for (const std::string& option :
           matches(text, std::regex(R"((?:^|[^a-z-])(--[a-z][a-z-]*))"))) {
        EXPECT_TRUE(known.contains(option)) << entry.path() << " names " << option;
        ++checked;
      }
      // Keys that only training reads.
      if (folder != "train") {
        EXPECT_EQ(matches(text, std::regex(R"((training\.[a-z_]+))")), Names()) << entry.path();
      }
    }
  }
  EXPECT_GT(checked, 30);
}

// The completions that bash offers for the last word. Fails if the program's completion is not
// registered.
std::string complete(const std::string& words) {
  return output_of("bash -c 'source \"" LAIT_SOURCE_DIR
                   "/cmake/completion.bash\"; PATH=$PWD:$PATH; COMP_WORDS=(" +
                   words +
                   "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lait; echo \"${COMPREPLY[*]}\"; "
                   "complete -p \"${COMP_WORDS[0]}\" >/dev/null'");
}

TEST(Help, BashCompletesTheOptionsOfEveryPage) {
  for (const auto& [name, page] : pages()) {
    std::istringstream words(complete(name + " --"));
    EXPECT_EQ(Names(std::istream_iterator<std::string>(words), {}), page.options) << name;
  }
}

TEST(Completion, CompletesOptionsConfigsSubcommandsAndFiles) {
  EXPECT_EQ(complete("lait-train --con"), "--config\n");
  EXPECT_EQ(complete("lait-train --config mn"), "mnli_split4.yaml mnli_t5_split8.yaml\n");
  EXPECT_EQ(complete("lait-bench \"\""), "tokenizer attention train-step predict cache serve\n");
  EXPECT_EQ(complete("lait-data wordnet --ou"), "--output\n");
  EXPECT_EQ(complete("lait-eval --device c"), "cpu cuda\n");
  EXPECT_EQ(complete("lait-eval --checkpoint lait-tr"), "lait-train\n");  // a file
}

}  // namespace
}  // namespace lait
