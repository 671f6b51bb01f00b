#include "cli/testing/program.h"

namespace emend {
namespace {

// Passes a name that no file system accepts to every option that takes a path.
TEST_F(ProgramTest, RefusesNamesThatAreTooLong) {
  const std::string name(5000, 'a');
  const std::string model = "-m {}/model ", picture = "--image {}/picture.png ";
  const std::string edit = "edit " + model + picture + "-p 'What?' --target cat --probes 1 ";
  for (const auto& arguments :
       {"ask -p x -m " + name, "ask " + model + "-p x --image " + name,
        "ask " + model + "-p x --patch " + name, "inspect " + name, edit + "-o " + name,
        edit + "-o {}/x.patch --settings " + name, edit + "-o {}/x.patch --hparams " + name,
        "patch list " + name, "patch merge " + name + " " + name + " -o {}/x.patch",
        "scenes export --count 1 -o " + name,
        "bench " + model + "--limit 1 --editors ft -o " + name,
        "bench " + model + "--suite e-vqa --limit 1 --editors ft -o {}/x --data " + name +
            " --images {}",
        "report " + name, "demo " + model + "--edits 1 -o " + name,
        "train " + model + "--editor mend -o " + name,
        "train " + model + "--editor mend -o {}/x --recipe " + name,
        "convert blip2 --checkpoint " + name + " --vit x --language y -o {}/x",
        "convert blip2 --checkpoint x --vit x --language y -o " + name}) {
    SCOPED_TRACE(arguments.substr(0, 60));
    const auto there = files();
    const auto result = run(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, ::testing::StartsWith("emend: "));
    EXPECT_THAT(result.err, ::testing::HasSubstr("Hint: "));
    EXPECT_THAT(result.err, ::testing::Not(::testing::HasSubstr("cli::unexpected")));
    EXPECT_LT(result.err.size(), 1000u);
    EXPECT_EQ(files(), there);
  }
}

// The model and the inputs do not exist, so that an error about the output must come first.
TEST_F(ProgramTest, ChecksTheOutputBeforeTheWork) {
  const std::string name(300, 'a');
  const std::string none = "-m {}/none ";
  for (const auto& command :
       {"edit " + none + "-p What? --target cat", "train " + none, "train --editor ike " + none,
        "bench " + none + "--limit 1 --editors ft", "demo " + none,
        "scenes export --count 1 --kind errors " + none, std::string("report {}/none"),
        std::string("patch remove {}/none x"), std::string("patch merge {}/none {}/none2"),
        std::string("convert blip2 --checkpoint {}/none --language {}/none"),
        std::string("convert minigpt4 --vit x --qformer x --projection x --language x")}) {
    expect_refused(command + " -o /proc/output", "/proc/output");
    expect_refused(command + " -o {}/" + name, "File name too long");
  }
}

}  // namespace
}  // namespace emend
