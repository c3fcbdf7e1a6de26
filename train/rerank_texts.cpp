#include "train/rerank_texts.h"

#include <sstream>

#include "eval/text_lines.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/config/read.h"

namespace lait {
namespace {

constexpr const char* kNouns = "/usr/share/wordnet/data.noun";
constexpr size_t kClaimWords = 10;
// English words make about so many of MiniLM's tokens.
constexpr double kTokensPerWord = 1.3;

// The words of WordNet's glosses, one gloss after another.
class Words {
 public:
  std::string next(size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i) out += (i == 0 ? "" : " ") + word();
    return out;
  }

 private:
  std::string word() {
    std::string word;
    while (!(gloss_ >> word)) {
      const auto line = lines_.next();
      if (!line) throw UserError(std::string(kNouns) + ": expected more glosses; is it WordNet's?");
      const size_t bar = line->find("| ");
      gloss_.clear();
      gloss_.str(bar == std::string::npos ? "" : line->substr(bar + 2));
    }
    return word;
  }

  LineReader lines_{kNouns};
  std::istringstream gloss_;
};

std::vector<size_t> boolq_lengths() {
  std::vector<size_t> out;
  LineReader lines(find_config("bench_lengths.txt", "lengths"));
  while (const auto line = lines.next()) {
    std::istringstream fields(*line);
    std::string name;
    size_t question = 0, passage = 0;
    if (fields >> name >> question >> passage && name == "boolq") out.push_back(passage);
  }
  return out;
}

std::vector<std::string> texts_of(const std::string& file, int64_t count) {
  std::vector<std::string> out;
  TextLines lines = open_texts(file);
  while (std::ssize(out) < count) {
    auto line = lines.next();
    if (!line) {
      throw UserError("--passages " + file + ": expected at least " + std::to_string(count) +
                      " texts, got " + std::to_string(out.size()));
    }
    out.push_back(std::move(line->text));
  }
  return out;
}

}  // namespace

RerankTexts rerank_texts(const std::string& file, int64_t num_passages, int64_t num_claims) {
  RerankTexts out;
  Words words;
  for (int64_t i = 0; i <= num_claims; ++i) out.claims.push_back(words.next(kClaimWords));
  if (!file.empty()) {
    out.passages = texts_of(file, num_passages);
    return out;
  }
  const std::vector<size_t> lengths = boolq_lengths();
  for (int64_t i = 0; i < num_passages; ++i) {
    const size_t tokens = lengths[static_cast<size_t>(i) % lengths.size()];
    out.passages.push_back(words.next(
        static_cast<size_t>(std::max(1.0, static_cast<double>(tokens) / kTokensPerWord))));
  }
  return out;
}

}  // namespace lait
