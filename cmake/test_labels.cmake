# The labels of ctest's tests: `ctest -L fast` runs the tests with a label. A name in the lists is a regular
# expression of the whole name of a GoogleTest suite, without the instance of a suite with parameters (All/), or
# of an add_test. Every test is also `fast` or `slow`.
set(EMEND_TEST_LABELS agreement fuzz process)

# Compares numbers or texts with another implementation, or kernels with each other.
set(EMEND_agreement_TESTS
  Agreements? LlamaMutated LlamaMutations Mutated Mutations Stages MixedModel MixedLinear SmallBatchLinear
  SigmoidGate Activation InterventionTest Generate GenerationConfig LlamaConfig
  SentenceEncoder Prompts LlavaPrompts SmolVlmFolder QwenVlFolder QwenVlPrompts LlavaAnyresFolder
  SeveralPicturesAgreement
  ConvertBlip2 ConvertMiniGPT4 Stop
  KeFixture MendFixture SeracFixture LifelongFixture WiseFixture LiveEditFixture SeracTest OptimizeDeltasTest IkeTest
  MetricsFixtureTest
  Image ImageProcessorTest SmartResize Anyres ChatTemplate BundledTokenizer LlamaTokenizer OwnTokenizer RealTokenizer
  SentencePiece WordPieceFolder BertNormalizer)

# Reads damaged or random files.
set(EMEND_fuzz_TESTS .*Fuzz Configs ReportInput)

# Starts programs: emend, a compiler, or a browser. So do all suites of emend_cli_test.
set(EMEND_process_TESTS Install ReportPage Workbench PythonPackage TestLabels)

# Tests that are not fast: name, and seconds on one core. Of tests that run in parallel, the longest
# start first.
set(EMEND_SLOW_TESTS
  ReadmeTest 174
  ArchitectureProgramTest 130
  Install 116
  ArchitecturesTest 73
  ProgramTest 22
  ProcessesProgramTest 33
  TraceTest 48
  Docs 44
  Workbench 40
  EditTargetsTest 32
  PrefixTest 31
  BenchTest 29
  ReportPage 27
  EditProgramTest 21
  TraceSuiteTest 21
  TestLabels 19
  EditorsTest 18
  SuggestionsTest 16
  KeTest 15
  ProtocolProgramTest 10
  MeasureReuseTest 10
  MeasureTest 9
  RunnerTest 6
  RunnerResumeTest 3
  ScenesSuite 7
  Configs 7
  MendTest 7
  WorkbenchProgramTest 6
  TrainEditorTest 6
  Overlay 6
  Image 6
  PrecisionProgramTest 6
  CollectMomentsTest 6
  StatsProgramTest 6
  MergedFolderTest 5
  FolderSettings 5
  ImageFormatFuzz 5
  ProbeMeasurementTest 5
  OptimizeDeltasTest 5
  Fuzz 5
  MmeditReal 5
  ReportInput 4
  ScenesRecords 4
  Stages 4
  MeasureRequestsTest 4
  PatchTest 4
  IkeJudgingTest 4
  ArgumentsProgramTest 5
  Listed 4
  ExportProgramTest 4
  HttpServerTest 3
  WorkbenchJobsTest 3
  Generate 3
  SeracBundledTest 3
  MeasureBundledTest 3
  ScenesQuestions 3
  RealTokenizer 3
  SeracTest 3
  TorchFuzz 3
  ImageProcessorFuzz 3
  LoraBundledTest 3
  TraceProgramTest 3
  SmolVlmFolder 3
  MmeditTest 3
  MixedModel 3
  ChatTemplate 2
  WorkbenchEditsTest 2
  Agreement 2
  FtTest 2
  SafetensorsFuzz 2
  WorkspaceFuzz 2
  YamlTest 2
  Prompts 2
  Tokenizer 2
  Json 2
  GenerationConfig 2
  FtBundledTest 2
  ScenesRender 2
)

# emend_suite_labels(SUITE LABELS COST): sets the variables to the labels of a suite and to its seconds; 0: fast.
function(emend_suite_labels name labels_variable cost_variable)
  string(REGEX REPLACE ".*/" "" suite ${name})
  set(labels fast)
  set(cost 0)
  list(FIND EMEND_SLOW_TESTS ${suite} row)
  if(NOT row EQUAL -1)
    set(labels slow)
    math(EXPR row "${row} + 1")
    list(GET EMEND_SLOW_TESTS ${row} cost)
  endif()
  foreach(label ${EMEND_TEST_LABELS})
    foreach(pattern ${EMEND_${label}_TESTS})
      if(suite MATCHES "^${pattern}$")
        list(APPEND labels ${label})
        break()
      endif()
    endforeach()
  endforeach()
  set(${labels_variable} ${labels} PARENT_SCOPE)
  set(${cost_variable} ${cost} PARENT_SCOPE)
endfunction()

# emend_label_test(NAME [LABEL...]): sets the labels and the cost of a test.
function(emend_label_test name)
  emend_suite_labels(${name} labels cost)
  set_tests_properties(${name} PROPERTIES LABELS "${labels};${ARGN}" COST ${cost})
endfunction()
