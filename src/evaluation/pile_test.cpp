#include "evaluation/pile.h"

#include <gtest/gtest.h>

#include "editing/patch.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

TEST(Pile, SumsAsAStackOfPatchesDoes) {
  testing::TemporaryFolder folder;
  testing::write_tiny_vlm(folder.string());
  auto vlm = load_vlm(folder.string());
  auto sites = vlm.model->find_sites("*.layers.2.fc*");
  at::manual_seed(3);
  PatchStack stack;
  Interventions pile;
  for (int i = 0; i < 5; ++i) {
    Patch patch;
    patch.base = vlm.fingerprint();
    for (const auto& site : sites)
      patch.deltas.push_back({site.name, {at::randn({site.out, site.in}), {}, {}}});
    patch.id = patch_id(patch);
    pile_up(pile, patch.interventions());
    stack.apply(vlm, patch);
  }
  auto whole = stack.interventions();
  ASSERT_EQ(pile.size(), sites.size());
  ASSERT_EQ(pile.size(), whole.size());
  for (size_t i = 0; i < pile.size(); ++i) {
    EXPECT_EQ(pile[i].where, whole[i].where);
    EXPECT_TRUE(at::equal(pile[i].delta.dense, whole[i].delta.dense));
  }
}

TEST(Pile, LeavesTheEditsThemselvesAlone) {
  Intervention change{};
  change.point = Point::weight;
  change.where = "fc";
  change.delta.dense = at::ones({2, 2});
  Interventions pile;
  pile_up(pile, {change});
  pile_up(pile, {change});
  EXPECT_TRUE(at::equal(change.delta.dense, at::ones({2, 2})));
  EXPECT_TRUE(at::equal(pile.at(0).delta.dense, 2 * at::ones({2, 2})));
  // What acts on some rows only stays apart.
  change.rows = {true, false};
  pile_up(pile, {change});
  EXPECT_EQ(pile.size(), 2u);
}

}  // namespace
}  // namespace emend
