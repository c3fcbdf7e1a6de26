// Searching for added tokens.
#include "lait/text/added_tokens.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstring>

namespace lait {
namespace {

// \w of Rust's regex crate.
bool is_word(UChar32 c) {
  return c >= 0 &&
         (u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
          (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0);
}

bool ends_with_word(std::string_view text) {
  if (text.empty()) return false;
  auto i = static_cast<int32_t>(std::min<size_t>(text.size(), U8_MAX_LENGTH));
  const auto* bytes =
      reinterpret_cast<const uint8_t*>(text.data()) + (text.size() - static_cast<size_t>(i));
  UChar32 c;
  U8_PREV(bytes, 0, i, c);
  return is_word(c);
}

bool starts_with_word(std::string_view text) {
  if (text.empty()) return false;
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  size_t i = 0;
  UChar32 c;
  U8_NEXT(bytes, i, text.size(), c);
  return is_word(c);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, Space space)
    : tokens_(std::move(tokens)), space_(space) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (const AddedToken& token : tokens_)
    begins_[static_cast<unsigned char>(token.content[0])] = true;
  if (std::count(begins_.begin(), begins_.end(), true) == 1) {
    only_begin_ = static_cast<unsigned char>(tokens_[0].content[0]);
  }
}

AddedTokens::Match AddedTokens::find(std::string_view text, size_t from) const {
  const Match nothing{text.size(), text.size(), nullptr};
  if (tokens_.empty()) return nothing;
  for (size_t i = from; i < text.size(); ++i) {
    if (only_begin_ >= 0) {
      const void* at = std::memchr(text.data() + i, only_begin_, text.size() - i);
      if (at == nullptr) return nothing;
      i = static_cast<size_t>(static_cast<const char*>(at) - text.data());
    } else if (!begins_[static_cast<unsigned char>(text[i])]) {
      continue;
    }
    for (const AddedToken& token : tokens_) {
      if (text.compare(i, token.content.size(), token.content) != 0) continue;
      const size_t end = i + token.content.size();
      if (token.single_word &&
          (ends_with_word(text.substr(0, i)) || starts_with_word(text.substr(end)))) {
        // Hugging Face skips the whole rejected match; a shorter token is not tried.
        i = end - 1;
        break;
      }
      return {i, end, &token};
    }
  }
  return nothing;
}

bool AddedTokens::is_space(int32_t c) const {
  return c >= 0 && (space_ == Space::kPython ? u_isspace(c) : u_isUWhiteSpace(c));
}

size_t AddedTokens::space_begin(std::string_view text, size_t from) const {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  size_t begin = text.size();
  while (begin > from) {
    // U8_PREV looks back over at most four bytes, so a window of int32_t indices is enough.
    const size_t window = begin - std::min<size_t>(begin, U8_MAX_LENGTH);
    auto i = static_cast<int32_t>(begin - window);
    UChar32 c;
    U8_PREV(bytes + window, 0, i, c);
    if (!is_space(c)) break;
    begin = window + static_cast<size_t>(i);
  }
  return begin;
}

size_t AddedTokens::leading_space(std::string_view text) const {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  size_t end = 0;
  for (size_t i = 0; i < text.size();) {
    UChar32 c;
    U8_NEXT(bytes, i, text.size(), c);
    if (!is_space(c)) break;
    end = i;
  }
  return end;
}

}  // namespace lait
