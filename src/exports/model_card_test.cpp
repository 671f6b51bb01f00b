#include "exports/model_card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/testing.h"
#include "tests/tiny_vlm.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ModelCard, NamesTheBaseAndTheEdits) {
  TemporaryFolder folder;
  testing::write_tiny_vlm(folder.file("base"), 0);
  const auto vlm = load_vlm(folder.file("base"));
  Patch patch;
  patch.base = vlm.fingerprint();
  patch.editor = "ft";
  const auto& site = vlm.model->sites().back();
  patch.deltas = {{site.name, {at::ones({site.out, site.in}), {}, {}}}};
  patch.request = {{"image", "a.png"}, {"prompt", "A | `b`\n?"}, {"target", " cat"}};
  patch.id = patch_id(patch);
  PatchStack stack;
  stack.apply(vlm, patch);
  const auto card = model_card("out/edited", vlm, {{"_name_or_path", "owner/model-2.7b"}}, stack);
  EXPECT_THAT(
      card, AllOf(StartsWith("---\nlibrary_name: transformers\n"
                             "base_model: owner/model-2.7b\n"),
                  HasSubstr("\n# edited\n"), HasSubstr("| `A \\|  b  ?` | `cat` | yes | `ft` |\n"),
                  HasSubstr(vlm.fingerprint()), HasSubstr(patch.id)));
  for (const char* name : {"/home/a", "a/b/c", "model", "../a", "a/b\nlicense: x"})
    EXPECT_THAT(model_card("edited", vlm, {{"_name_or_path", name}}, stack),
                AllOf(Not(HasSubstr("base_model:")), HasSubstr("`base` with edits")));

  // Patches with many edits are listed in part.
  patch.request = nlohmann::json::array();
  for (int i = 0; i < 120; ++i)
    patch.request.push_back({{"prompt", std::to_string(i)}, {"target", "x"}});
  PatchStack many;
  many.apply(vlm, patch);
  EXPECT_THAT(
      model_card("edited", vlm, {}, many),
      AllOf(HasSubstr("| `99` |"), Not(HasSubstr("| `100` |")), HasSubstr("and 20 more edits")));
}

}  // namespace
}  // namespace emend
