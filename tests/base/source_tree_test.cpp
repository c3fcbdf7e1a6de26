// The laws of the source tree: includes between folders go one way (train -> eval -> lait ->
// kernels; inside lait: model -> ops, data -> text, config, and cuda -> ops), nothing includes
// tests/, LibTorch is used only where it is meant to be, no file is long, and each folder says what
// it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace lait {
namespace {

namespace fs = std::filesystem;
const fs::path kRoot = LAIT_SOURCE_DIR;

// What a folder may include besides itself and lait/base.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"kernels", {}},
    {"kernels/reference", {"kernels"}},
    {"kernels/cpu", {"kernels"}},
    {"kernels/cuda", {"kernels"}},
    {"lait", {}},
    {"lait/base", {"kernels"}},
    {"lait/config", {"lait"}},
    {"lait/text", {}},
    {"lait/text/wordpiece", {"lait/text"}},
    {"lait/text/byte_bpe", {"lait/text"}},
    {"lait/text/sentencepiece", {"lait/text"}},
    {"lait/programs", {}},
    {"lait/ops", {"kernels", "kernels/cpu"}},
    {"lait/cuda", {"lait/ops", "lait/ranks", "kernels"}},
    {"lait/data", {"lait", "lait/text", "lait/config", "kernels"}},
    {"lait/cache", {}},
    {"lait/checkpoint", {}},
    {"lait/model",
     {"lait", "lait/checkpoint", "lait/data", "lait/ops", "lait/text", "lait/config", "kernels",
      "kernels/cpu"}},
    {"lait/ranks", {}},
    {"lait/predict",
     {"lait", "lait/ranks", "lait/cache", "lait/model", "lait/data", "lait/ops", "lait/text",
      "lait/config", "kernels"}},
    {"eval",
     {"lait", "lait/predict", "lait/cache", "lait/ranks", "lait/model", "lait/data", "lait/ops",
      "lait/text", "lait/config", "kernels"}},
    {"eval/bench",
     {"eval", "lait/predict", "lait/model", "lait/data", "lait/ops", "lait/text", "lait/config",
      "kernels", "kernels/cpu"}},
    {"eval/serve",
     {"eval", "lait", "lait/predict", "lait/model", "lait/data", "lait/text", "lait/config"}},
    {"train",
     {"eval", "eval/bench", "lait/predict", "lait/cache", "lait/ranks", "lait/model",
      "lait/checkpoint", "lait/data", "lait/ops", "lait/text", "lait/config", "kernels"}}};

// Folders that do not include lait/base.
const std::set<std::string> kWithoutBase = {"kernels",      "kernels/reference", "kernels/cpu",
                                            "kernels/cuda", "lait/ops",          "lait/cuda",
                                            "lait/programs"};

// Folders that are built without LibTorch and run where there is none.
const std::set<std::string> kWithoutLibTorch = {"lait",
                                                "kernels",
                                                "kernels/reference",
                                                "kernels/cpu",
                                                "kernels/cuda",
                                                "lait/base",
                                                "lait/config",
                                                "lait/text",
                                                "lait/text/wordpiece",
                                                "lait/text/byte_bpe",
                                                "lait/text/sentencepiece",
                                                "lait/data",
                                                "lait/cache"};

// A CUDA kernel is read as a whole, from its shared memory to its launch: parts of it mean nothing
// alone.
constexpr int kMostLines = 300, kMostLinesOfAKernel = 500;

std::string folder_of(const std::string& path) {
  return fs::path(path).parent_path().generic_string();
}

template <class Body>
void for_each_source(const Body& body) {
  int count = 0;
  for (const char* top : {"kernels", "lait", "eval", "train"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh")
        continue;
      body(fs::relative(entry.path(), kRoot).generic_string());
      ++count;
    }
  }
  EXPECT_GT(count, 100) << "sources not found in " << kRoot;
}

TEST(SourceTree, ArrowsGoOneWay) {
  const std::regex include(R"re(^\s*#\s*include\s*"([^"]+)")re");
  for_each_source([&](const std::string& file) {
    const auto allowed = kMayInclude.find(folder_of(file));
    ASSERT_NE(allowed, kMayInclude.end()) << file << ": a folder without a place in the order";
    std::ifstream in(kRoot / file);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      if (match[1] == "lait/git_hash.h") continue;  // made by the build
      const std::string from = folder_of(file), to = folder_of(match[1]);
      EXPECT_TRUE(to == from || allowed->second.contains(to) ||
                  (to == "lait/base" && !kWithoutBase.contains(from)))
          << file << ':' << number << " includes " << match[1];
      EXPECT_TRUE(fs::exists(kRoot / match[1].str()))
          << file << ':' << number << ": " << match[1] << " is not in the tree";
    }
  });
}

TEST(SourceTree, LibTorchIsNotEverywhere) {
  const std::regex include(R"re(^\s*#\s*include\s*[<"](torch|ATen|c10)/)re");
  for_each_source([&](const std::string& file) {
    if (!kWithoutLibTorch.contains(folder_of(file))) return;
    std::ifstream in(kRoot / file);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      EXPECT_FALSE(std::regex_search(line, include)) << file << ':' << number << ": " << line;
    }
  });
}

// It takes seconds to compile.
TEST(SourceTree, BeastIsInTwoFiles) {
  const std::set<std::string> theirs{"eval/serve/connection.cpp", "eval/bench/http_client.cpp"};
  const std::regex include(R"re(^\s*#\s*include\s*<boost/beast)re");
  for_each_source([&](const std::string& file) {
    if (theirs.contains(file)) return;
    std::ifstream in(kRoot / file);
    for (std::string line; std::getline(in, line);)
      EXPECT_FALSE(std::regex_search(line, include)) << file << ": " << line;
  });
}

TEST(SourceTree, NoFileIsLong) {
  for_each_source([&](const std::string& file) {
    std::ifstream in(kRoot / file);
    const auto lines = std::count(std::istreambuf_iterator<char>(in), {}, '\n');
    EXPECT_LE(lines, file.ends_with(".cu") ? kMostLinesOfAKernel : kMostLines) << file;
  });
}

// The first line of a header says what it is for.
TEST(SourceTree, HeadersBeginWithTheirPurpose) {
  for_each_source([&](const std::string& file) {
    if (!file.ends_with(".h") && !file.ends_with(".cuh")) return;
    std::ifstream in(kRoot / file);
    std::string line;
    std::getline(in, line);
    EXPECT_TRUE(line.starts_with("// ")) << file << " begins with: " << line;
  });
}

// "// eval/: …" is the first line of the file to open first in each folder, which
// docs/architecture.md names.
TEST(SourceTree, EachFolderSaysItsPurposeInOneFile) {
  std::map<std::string, int> files;
  for (const auto& [folder, allowed] : kMayInclude) files[folder] = 0;
  for_each_source([&](const std::string& file) {
    const std::string folder = folder_of(file);
    if (!files.contains(folder)) return;
    std::ifstream in(kRoot / file);
    std::string line;
    std::getline(in, line);
    files[folder] += line.starts_with("// " + folder + "/: ");
  });
  for (const auto& [folder, count] : files)
    EXPECT_EQ(count, 1) << folder << ": files that begin with \"// " << folder << "/: …\"";
}

}  // namespace
}  // namespace lait
