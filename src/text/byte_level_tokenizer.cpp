#include "text/byte_level_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

constexpr const char* kPlace = "text::tokenizer";

// Ids are the vocabulary's, or follow it; a file that says otherwise has lost tokens.
std::vector<AddedToken> with_ids(std::vector<AddedToken> added, const Bpe& bpe) {
  int64_t next = bpe.size();
  for (AddedToken& token : added) {
    const int64_t id = bpe.id(token.content).value_or(next);
    next = std::max(next, id + 1);
    if (token.id >= 0 && token.id != id)
      throw Error(kPlace,
                  fmt::format("added token '{}' has the id {}, where {} was to be expected",
                              token.content, token.id, id),
                  "the vocabulary and its added tokens do not belong together");
    token.id = id;
  }
  return added;
}

}  // namespace

ByteLevelTokenizer::ByteLevelTokenizer(std::unique_ptr<Bpe> bpe,
                                       std::unique_ptr<PreTokenizer> pre_tokenizer,
                                       std::vector<AddedToken> added, Normalizer normalizer)
    : bpe_(std::move(bpe)),
      pre_tokenizer_(std::move(pre_tokenizer)),
      added_(with_ids(std::move(added), *bpe_), normalizer) {
  size_ = bpe_->size();
  for (const AddedToken& token : added_.all())
    if (!bpe_->id(token.content)) ++size_;
}

void ByteLevelTokenizer::set_post_processor(PostProcessor post) {
  for (const auto* side : {&post.before, &post.after})
    for (int64_t id : *side)
      if (!added_.find(id) && !bpe_->token(id))
        throw Error(kPlace,
                    fmt::format("the post_processor adds the id {}, which is no token", id));
  post_ = std::move(post);
}

std::vector<int64_t> ByteLevelTokenizer::encode(std::string_view text, bool special) const {
  if (const auto bad = invalid_utf8(text))
    throw Error(kPlace,
                fmt::format("the text is not UTF-8: byte {} (0x{:02x}) is out of place", *bad,
                            static_cast<unsigned char>(text[*bad])),
                "convert it to UTF-8 first");
  std::vector<int64_t> ids;
  if (special) ids = post_.before;
  for (const auto& part : added_.split(text)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    std::vector<std::string> pieces{part.text};
    pre_tokenizer_->apply(pieces);
    for (const std::string& piece : pieces) bpe_->encode(piece, ids);
  }
  if (special) ids.insert(ids.end(), post_.after.begin(), post_.after.end());
  return ids;
}

std::string ByteLevelTokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  std::string bytes;
  for (int64_t id : ids) {
    const AddedToken* added = added_.find(id);
    if (added && added->special && skip_special) continue;
    bytes += token_bytes(token(id));
  }
  return lossy_utf8(bytes);
}

int64_t ByteLevelTokenizer::size() const { return size_; }

std::optional<int64_t> ByteLevelTokenizer::id(std::string_view token) const {
  if (const AddedToken* added = added_.find(token)) return added->id;
  return bpe_->id(std::string(token));
}

std::string ByteLevelTokenizer::token(int64_t id) const {
  if (const AddedToken* added = added_.find(id)) return added->content;
  if (const std::string* token = bpe_->token(id)) return *token;
  throw Error(kPlace, fmt::format("there is no token {}; the vocabulary has {}", id, size_));
}

}  // namespace emend::text
