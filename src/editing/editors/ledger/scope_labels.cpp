#include "editing/editors/ledger/scope_labels.h"

#include <map>
#include <set>
#include <string>

namespace emend {

ScopeLabels scope_labels(const ScopeQuestions& all, const ForcedBatch& forced, size_t examples) {
  ScopeLabels labels;
  const int64_t none = forced.batch.pixels.defined() ? forced.batch.pixels.size(0) : 0;
  const auto width = none + 1;
  std::map<std::string, int64_t> texts;
  std::vector<int64_t> text(all.queries.size()), picture(all.queries.size());
  for (size_t q = 0; q < all.queries.size(); ++q) {
    const auto [known, added] =
        texts.emplace(all.queries[q].prompt, static_cast<int64_t>(texts.size()));
    if (added) labels.text_queries.push_back(static_cast<int64_t>(q));
    text[q] = known->second;
    const auto& images = forced.batch.rows[q].images;
    picture[q] = images.empty() ? none : images.front();
  }
  const auto pairs = static_cast<int64_t>(texts.size()) * width;
  const auto edits = static_cast<int64_t>(examples);
  labels.in_scope = at::zeros({edits, pairs}, at::kBool);
  labels.out_of_scope = at::zeros({edits, pairs}, at::kBool);
  labels.edit_text.resize(examples);
  labels.edit_pair.resize(examples);
  for (int64_t e = 0; e < edits; ++e) {
    auto* in = labels.in_scope.data_ptr<bool>() + e * pairs;
    auto* out = labels.out_of_scope.data_ptr<bool>() + e * pairs;
    std::set<int64_t> own_texts, unrelated_texts, own_pictures, known_pictures;
    for (size_t q = 0; q < all.queries.size(); ++q) {
      if (all.example[q] != static_cast<size_t>(e)) continue;
      known_pictures.insert(picture[q]);
      if (all.kind[q] == ScopeQuestions::Kind::edit) {
        labels.edit_text[static_cast<size_t>(e)] = text[q];
        labels.edit_pair[static_cast<size_t>(e)] = text[q] * width + picture[q];
      }
      if (all.in_scope(q)) {
        own_texts.insert(text[q]);
        own_pictures.insert(picture[q]);
      } else {
        unrelated_texts.insert(text[q]);
      }
    }
    const bool has_picture = !own_pictures.count(none);
    for (size_t q = 0; q < all.queries.size(); ++q) {
      const bool own = all.example[q] == static_cast<size_t>(e);
      const bool same_text = own_texts.count(text[q]) && picture[q] == none && !has_picture;
      if (own ? !all.in_scope(q) : !same_text) out[text[q] * width + picture[q]] = true;
    }
    // An unrelated question of the example may show another view of the edit's picture.
    for (const auto u : own_texts)
      for (int64_t n = 0; n < width && has_picture; ++n)
        if (n == none || !known_pictures.count(n)) out[u * width + n] = true;
    for (const auto n : own_pictures)
      for (const auto u : unrelated_texts)
        if (!own_texts.count(u)) out[u * width + n] = true;
    for (const auto u : own_texts)
      for (const auto n : own_pictures) {
        in[u * width + n] = true;
        out[u * width + n] = false;
      }
    in[labels.edit_pair[static_cast<size_t>(e)]] = false;
  }
  return labels;
}

}  // namespace emend
