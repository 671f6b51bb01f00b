#include "editing/editors/ledger/keys/feature_pool.h"

#include <algorithm>
#include <set>

#include "editing/editors/ledger/ledger.h"
#include "editing/testing/tiny_vlm_test.h"
#include "editing/training/forced.h"

namespace emend {
namespace {

class FeaturePoolTest : public testing::TinyVlmTest {
 protected:
  static Picture picture(uint64_t seed) { return {"", testing::noise_image(seed)}; }
  static EditExample example(uint64_t seed, const std::string& text, const std::string& fact) {
    EditExample made;
    made.edit = {picture(seed), text, " cat"};
    made.edit.fact = fact;
    made.generality = {{made.edit.image, text + " Please.", " cat"},
                       {picture(seed + 100), text, " cat"}};
    made.image_locality = {{picture(seed + 200), "Where on earth?", " home"}};
    made.text_locality = {{{}, "Who?", " Tom"}};
    return made;
  }
  static LedgerState small_state() {
    LedgerConfig shape;
    shape.heads = 2, shape.head_width = 4, shape.hidden = 8, shape.embedding = 4, shape.rank = 2;
    return LedgerState(*vlm_->model, shape, 3);
  }
  static std::string states(const PooledStep& step, int64_t edit) {
    std::string all;
    for (int64_t p = 0; p < step.in_scope.size(1); ++p) {
      const bool in = step.in_scope[edit][p].item<bool>();
      const bool out = step.out_of_scope[edit][p].item<bool>();
      EXPECT_FALSE(in && out);
      all += in ? 'i' : out ? 'o' : '-';
    }
    return all;
  }
};

TEST_F(FeaturePoolTest, StepsHaveThePairsOfEachEdit) {
  const auto state = small_state();
  FeaturePool pool;
  pool.add(*vlm_, {example(1, "What is this?", "one")}, nullptr, state.features);
  pool.add(*vlm_, {example(2, "Which color?", "")}, nullptr, state.features);
  const auto step = pool.step({0, 1}, 7, /*bare=*/0, /*crossed=*/1, state.keys);
  // Of each edit: itself; three pairs in scope; the unrelated questions; its text with an unrelated
  // picture and with none; an unrelated text with its picture; the other's text with its picture.
  // The random text of another edit is its own, or the other's.
  const auto first = states(step, 0), second = states(step, 1);
  EXPECT_EQ(first.substr(0, 10), "-oiiiooooo");
  EXPECT_EQ(std::count(first.begin(), first.end(), 'i'), 3);
  EXPECT_EQ(std::count(second.begin(), second.end(), 'i'), 3);
  EXPECT_EQ(second.substr(0, 5), "o-ooo");
  ASSERT_EQ(step.which_text.size(), first.size());
  EXPECT_EQ(step.which_picture[6], -1);  // an unrelated question without a picture
  EXPECT_EQ(step.text.size(0), 6);       // two of each edit, and two unrelated ones
  EXPECT_EQ(step.pictures.size(0), 6);
}

TEST_F(FeaturePoolTest, EditsOfOneFactShareTheirScope) {
  const auto state = small_state();
  FeaturePool pool;
  pool.add(*vlm_, {example(1, "What is this?", "one")}, nullptr, state.features);
  pool.add(*vlm_, {example(2, "What is this?", "one")}, nullptr, state.features);
  const auto step = pool.step({0, 1}, 7, 0, 0, state.keys);
  EXPECT_EQ(states(step, 0).substr(0, 2), "-i");
  EXPECT_EQ(states(step, 1).substr(0, 2), "i-");
}

TEST_F(FeaturePoolTest, EditsThatLoseTheirPicturesKeepTheirTexts) {
  const auto state = small_state();
  FeaturePool pool;
  pool.add(*vlm_, {example(1, "What is this?", "")}, nullptr, state.features);
  pool.add(*vlm_, {example(2, "What is this?", "")}, nullptr, state.features);
  const auto step = pool.step({0, 1}, 7, /*bare=*/1, 0, state.keys);
  EXPECT_EQ(step.which_picture[0], -1);
  EXPECT_EQ(states(step, 0).substr(0, 3), "-oi");
  // The second edit's text without its picture is not known to be out of the first one's scope.
  const auto first = states(step, 0);
  EXPECT_EQ(std::count(first.begin(), first.end(), '-'), 2);
}

TEST_F(FeaturePoolTest, ConsequencesFollowFromTheirEdit) {
  const auto state = small_state();
  auto one = example(1, "What is this?", "one"), two = example(2, "What is this?", "two");
  one.consequences = {{one.edit.image, "Where does it live?", " sea"}};
  // The same question about the picture of the second edit may follow from it.
  two.image_locality.push_back({two.edit.image, "Where does it live?", " hill"});
  FeaturePool pool;
  pool.add(*vlm_, {one}, nullptr, state.features);
  pool.add(*vlm_, {two}, nullptr, state.features);
  const auto step = pool.step({0, 1}, 7, 0, 0, state.keys);
  const auto follows = step.follows.to(at::kLong).sum(1);
  EXPECT_EQ(follows[0].item<int64_t>(), 1);
  EXPECT_EQ(follows[1].item<int64_t>(), 0);
  const auto pair = step.follows[0].nonzero().item<int64_t>();
  EXPECT_TRUE(step.out_of_scope[0][pair].item<bool>());  // it is not the edit's own question
  EXPECT_TRUE(step.does_not_follow[1][pair].item<bool>());
  EXPECT_FALSE((step.follows & step.does_not_follow).any().item<bool>());
  EXPECT_FALSE((step.in_scope & step.does_not_follow).any().item<bool>());
  // The same question about the picture of the second edit may follow from it: not known.
  EXPECT_GE((step.out_of_scope & ~step.does_not_follow)[1].sum().item<int64_t>(), 1);
  EXPECT_EQ(pool.step({0, 1}, 7, /*bare=*/2, 0, state.keys).follows.sum().item<int64_t>(), 0);
}

TEST_F(FeaturePoolTest, KeysOfPooledTextsAreThoseOfTheirFeatures) {
  LedgerConfig shape;
  shape.heads = 2, shape.head_width = 4, shape.hidden = 8, shape.embedding = 4, shape.rank = 2;
  shape.text_tokens = 5;
  const LedgerState state(*vlm_->model, shape, 3);
  FeaturePool pool;
  pool.add(*vlm_, {example(1, "What is this?", ""), example(2, "Why on earth is it so?", "")},
           nullptr, state.features);
  const auto step = pool.step({0, 1}, 7, 0, 0, state.keys);
  const auto texts = state.keys.texts(step.text);
  size_t checked = 0;
  for (const std::string prompt : {"What is this?", "Why on earth is it so?"}) {
    const auto batch = force(*vlm_, {{{}, prompt, " cat"}}, /*end_of_answer=*/false).batch;
    const auto own =
        state.keys.texts(question_features(*vlm_, batch, {}, state.features).text).squeeze(0);
    for (const auto& pooled : texts.unbind())
      checked += at::allclose(pooled, own, 1e-2, 1e-2);
  }
  EXPECT_EQ(checked, 2u);
}

TEST_F(FeaturePoolTest, ChoiceIsRepeatableAndHasNearEdits) {
  const auto state = small_state();
  FeaturePool pool;
  for (uint64_t seed = 1; seed <= 12; ++seed)
    pool.add(*vlm_, {example(seed, "What is this?", std::to_string(seed))}, nullptr,
             state.features);
  const auto chosen = pool.choose(5, 1, 4, 2, 12, state.keys);
  EXPECT_EQ(chosen.size(), 4u);
  EXPECT_EQ(std::set<size_t>(chosen.begin(), chosen.end()).size(), 4u);
  EXPECT_EQ(pool.choose(5, 1, 4, 2, 12, state.keys), chosen);
  EXPECT_NE(pool.choose(6, 1, 4, 2, 12, state.keys), chosen);
  EXPECT_EQ(pool.choose(5, 1, 100, 2, 12, state.keys).size(), 12u);
  // The second edit is the nearest one to the first.
  const auto step = pool.step(chosen, 5, 0, 0, state.keys);
  std::vector<size_t> all(12);
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto every = pool.step(all, 5, 0, 0, state.keys);
  const auto keys =
      state.keys.pair_keys(every.text, every.pictures, every.which_text, every.which_picture)
          .slice(0, 0, 12);
  const auto distances = key_distances(keys, keys)[static_cast<int64_t>(chosen[0])];
  EXPECT_EQ(std::get<1>(distances.sort())[1].item<int64_t>(), static_cast<int64_t>(chosen[1]));
}

}  // namespace
}  // namespace emend
