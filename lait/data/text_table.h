// Texts that examples name by an id, in a file beside the examples' own: articles, abstracts,
// pages. Which file a task has is its TextFile (task.h).
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lait {

class TextTable {
 public:
  // Throws UserError "where: …" if the id has a text already.
  void add(const std::string& id, std::vector<std::string> sentences, const std::string& where);
  // The sentences of that text; one if it is stored whole. Null: none has that id.
  const std::vector<std::string>* find(const std::string& id) const;
  size_t size() const { return texts_.size(); }

 private:
  std::unordered_map<std::string, std::vector<std::string>> texts_;
};

// The ids of the texts that are needed; null: all.
using WantedIds = const std::set<std::string>*;

// The parts with one blank between them, without those that are empty.
std::string joined_text(const std::vector<std::string>& parts);
// Without the blanks, tabs and line breaks around it.
std::string_view trimmed(std::string_view text);

}  // namespace lait
