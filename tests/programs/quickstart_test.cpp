// Keeps docs/quickstart.md true: types its sh blocks into one shell (with one epoch instead of
// five). Each line of the text block that follows must be in the output, apart from its numbers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lait/base/files.h"
#include "tests/base/temporary_folder.h"

namespace lait {
namespace {

namespace fs = std::filesystem;

struct Block {
  int line = 0;  // of the page, where the block begins
  std::string commands;
  std::vector<std::string> shown;  // lines of output
};

std::vector<Block> read_blocks(const fs::path& page) {
  std::vector<Block> blocks;
  std::ifstream in(page);
  std::string fence;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.starts_with("```")) {
      fence = fence.empty() ? line.substr(3) : "";
      if (fence == "sh") blocks.push_back({.line = number + 1, .commands = {}, .shown = {}});
    } else if (fence == "sh") {
      blocks.back().commands += line + "\n";
    } else if (fence == "text" && line.find("…") == std::string::npos) {
      blocks.back().shown.push_back(line);
    }
  }
  return blocks;
}

// Ctrl-C of a reader: the signal is sent after the first validation of the run.
std::string press_ctrl_c(const std::string& commands) {
  static const std::regex kPressed(R"((lait-train .*--output (\S+).*)# press Ctrl-C\n)");
  return std::regex_replace(commands, kPressed,
                            "$1 & run=$$!; until grep -qs validation $2/metrics.jsonl; do kill -0 "
                            "$$run || break; sleep 0.05; done; "
                            "kill -INT $$run; wait $$run || true\n");
}

// The line without the parts that differ between machines and runs: numbers and the spaces that
// align them, device and precision, predictions, which validation was the best.
std::string without_results(const std::string& line) {
  static const std::regex kPrediction(R"re("label":"[^"]*")re"), kBest(R"(  \(best so far\))");
  static const std::regex kNumber(
      R"(bf16|fp32|cuda:[0-9]+|cpu|[-+]?[0-9]+([.:][0-9]+)*(e-?[0-9]+)?)"),
      kSpaces("[ -]+");
  std::string text = line;
  if (text.starts_with("{\"id\"")) text = std::regex_replace(text, kPrediction, "\"label\":#");
  for (const auto& [pattern, replacement] :
       {std::pair{&kBest, ""}, {&kNumber, "#"}, {&kSpaces, " "}}) {
    text = std::regex_replace(text, *pattern, replacement);
  }
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

TEST(Quickstart, EveryLineDoesWhatThePageShows) {
  const std::vector<Block> blocks = read_blocks(LAIT_SOURCE_DIR "/docs/quickstart.md");
  ASSERT_GE(blocks.size(), 8u);
  const TemporaryFolder folder;
  fs::create_directories(folder / "clone");
  fs::create_directories(folder / "home");
  fs::create_directory_symlink(LAIT_BUILD_DIR, folder / "clone" / "build");
  std::string script = "cd '" + (folder / "clone").string() + "'; export HOME='" +
                       (folder / "home").string() + "'; unset COLUMNS\n";
  for (size_t b = 0; b < blocks.size(); ++b) {
    const std::string name = (folder / ("block" + std::to_string(b))).string();
    write_file(name + ".sh", press_ctrl_c(std::regex_replace(
                                 blocks[b].commands, std::regex("epochs: 5,"), "epochs: 1,")));
    script +=
        ". '" + name + ".sh' >'" + name + ".out' 2>&1 </dev/null; echo $? >'" + name + ".code'\n";
  }
  write_file(folder / "all.sh", script);
  ASSERT_EQ(std::system(("bash '" + (folder / "all.sh").string() + "'").c_str()), 0);

  int compared = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    const std::string name = (folder / ("block" + std::to_string(b))).string();
    const std::string out = read_file(name + ".out");
    EXPECT_EQ(read_file(name + ".code"), "0\n") << "docs/quickstart.md:" << blocks[b].line << "\n"
                                                << out;
    std::string printed = "\n";
    std::istringstream lines(out);
    for (std::string line; std::getline(lines, line);) printed += without_results(line) + "\n";
    for (const std::string& line : blocks[b].shown) {
      if (line.starts_with("plot: ") && std::system("command -v gnuplot >/dev/null") != 0) continue;
      std::string whole = "\n";  // "\n" + … makes GCC 12 warn falsely
      whole.append(without_results(line)).append("\n");
      EXPECT_NE(printed.find(whole), std::string::npos)
          << "docs/quickstart.md:" << blocks[b].line << ": the commands did not print\n  " << line
          << "\nbut\n"
          << out;
      ++compared;
    }
  }
  EXPECT_GT(compared, 40) << "the page's outputs were not found";
}

}  // namespace
}  // namespace lait
