#include "editing/editors/ledger/scope_labels.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

using Kind = ScopeQuestions::Kind;

// Texts and pictures by name; a question without a picture has the picture -1.
struct Questions {
  ScopeQuestions all;
  ForcedBatch forced;

  void add(const std::string& text, int64_t picture, size_t example, Kind kind) {
    TargetQuery query;
    query.prompt = text;
    if (picture >= 0) query.image.path = std::to_string(picture);
    all.add(query, example, kind);
    Row row;
    if (picture >= 0) row.images = {picture};
    forced.batch.rows.push_back(row);
  }
};

TEST(ScopeLabelsTest, CombinesTextsAndPicturesOfEachEdit) {
  Questions questions;
  questions.forced.batch.pixels = at::zeros({3, 3, 1, 1});
  questions.add("color?", 0, 0, Kind::edit);                // text 0
  questions.add("which color?", 0, 0, Kind::follows);       // text 1
  questions.add("color?", 1, 0, Kind::follows);             // another view
  questions.add("who?", 2, 0, Kind::picture);               // text 2
  questions.add("capital?", -1, 1, Kind::edit);             // text 3, an edit of a text
  questions.add("capital, please?", -1, 1, Kind::follows);  // text 4
  const auto labels = scope_labels(questions.all, questions.forced, 2);
  ASSERT_EQ(labels.in_scope.sizes(), (at::IntArrayRef{2, 5 * 4}));
  EXPECT_EQ(labels.edit_text, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(labels.edit_pair, (std::vector<int64_t>{0, 3 * 4 + 3}));
  auto state = [&](int64_t edit, int64_t text, int64_t picture) {
    const auto in = labels.in_scope[edit][text * 4 + picture].item<bool>();
    const auto out = labels.out_of_scope[edit][text * 4 + picture].item<bool>();
    EXPECT_FALSE(in && out);
    return in ? 'i' : out ? 'o' : '-';
  };
  auto row = [&](int64_t edit, int64_t text) {
    std::string states;
    for (int64_t picture = 0; picture < 4; ++picture) states += state(edit, text, picture);
    return states;
  };
  EXPECT_EQ(row(0, 0), "-i-o");  // the edit itself, its view, an unrelated question's picture, none
  EXPECT_EQ(row(0, 1), "ii-o");
  EXPECT_EQ(row(0, 2), "ooo-");  // an unrelated text about all three pictures
  EXPECT_EQ(row(0, 3), "---o");  // the question of another example
  EXPECT_EQ(row(1, 3), "----");
  EXPECT_EQ(row(1, 4), "---i");
  EXPECT_EQ(row(1, 0), "oo--");
}

}  // namespace
}  // namespace emend
