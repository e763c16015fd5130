// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
  // Checked in every debug build and test; in a release the checks cost a tenth of a decision.
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

func library(
  _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil
) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

func suite(
  _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let package = Package(
  name: "rollout",
  products: [
    .executable(name: "rollout-server", targets: ["RolloutServer"]),
    .executable(name: "rollout", targets: ["RolloutCLI"]),
  ],
  targets: [
    // C libraries of the distribution, one Swift importer each.
    .systemLibrary(name: "CPlatform"),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    library("PlatformKit", ["CPlatform"]),
    library("DigestKit", ["CCrypto"]),
    library("DocumentKit"),
    library("YAMLKit", ["DocumentKit", "CYAML"]),
    library("HTTPKit", ["PlatformKit", "CCurl"]),
    library("HTTPServerKit", ["HTTPKit", "PlatformKit", "CZlib"]),
    library("RolloutEvaluation"),
    library("RolloutCore", ["RolloutEvaluation", "DocumentKit"]),
    library(
      "RolloutStore",
      ["RolloutCore", "RolloutEvaluation", "DocumentKit", "DigestKit", "PlatformKit", "CSQLite"],
      resources: ["control", "telemetry", "money", "jobs"].map { .embedInCode("Migrations/\($0)") }),
    library(
      "RolloutGateway",
      ["RolloutCore", "RolloutEvaluation", "DocumentKit", "HTTPKit", "PlatformKit"]),
    library("RolloutAPI", ["RolloutCore", "RolloutEvaluation", "DocumentKit"]),
    library("RolloutImport", ["RolloutCore", "RolloutEvaluation", "DocumentKit"]),
    library("RolloutTesting", ["RolloutCore", "RolloutEvaluation", "PlatformKit"]),
    .executableTarget(
      name: "RolloutServer",
      dependencies: [
        "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit", "DigestKit", "PlatformKit",
        "HTTPKit",
        "HTTPServerKit", "RolloutStore", "RolloutGateway", "RolloutAPI",
      ],
      resources: [.embedInCode("Resources"), .embedInCode("Dashboard")],
      swiftSettings: strict),
    .executableTarget(
      name: "RolloutCLI",
      dependencies: [
        "RolloutAPI", "RolloutImport", "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit",
        "PlatformKit", "HTTPKit",
      ],
      resources: [.embedInCode("Schemas")],
      swiftSettings: strict),

    .executableTarget(
      name: "RolloutBenchmarks",
      dependencies: [
        "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit", "HTTPKit", "HTTPServerKit",
      ],
      path: "Benchmarks/Sources", swiftSettings: strict),

    suite("PlatformKitTests", ["PlatformKit"]),
    suite("DigestKitTests", ["DigestKit"]),
    suite("DocumentKitTests", ["DocumentKit"]),
    suite("YAMLKitTests", ["YAMLKit", "DocumentKit"]),
    suite("HTTPKitTests", ["HTTPKit", "PlatformKit", "RolloutTesting"]),
    suite("HTTPServerKitTests", ["HTTPServerKit", "HTTPKit", "PlatformKit", "RolloutTesting"]),
    suite("RolloutEvaluationTests", ["RolloutEvaluation", "DocumentKit"], exclude: ["Fixtures"]),
    suite(
      "RolloutCoreTests",
      ["RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit", "RolloutTesting"]),
    suite(
      "RolloutStoreTests",
      ["RolloutStore", "RolloutCore", "RolloutEvaluation", "DocumentKit", "RolloutTesting"]),
    suite(
      "RolloutGatewayTests",
      [
        "RolloutGateway", "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit", "HTTPKit",
        "PlatformKit",
        "RolloutTesting",
      ]),
    suite(
      "RolloutServerTests",
      [
        "RolloutServer", "RolloutAPI", "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit",
        "DigestKit",
        "PlatformKit", "HTTPKit", "HTTPServerKit", "RolloutStore", "RolloutTesting",
      ]),
    suite(
      "SimulationTests",
      [
        "RolloutServer", "RolloutStore", "RolloutGateway", "RolloutCore", "RolloutEvaluation",
        "DocumentKit", "DigestKit", "YAMLKit", "PlatformKit", "HTTPKit", "RolloutTesting",
      ]),
    suite(
      "RolloutImportTests",
      ["RolloutImport", "RolloutCore", "RolloutEvaluation", "DocumentKit", "YAMLKit"]),
    suite(
      "RolloutCLITests", ["RolloutCLI", "RolloutServer", "DocumentKit", "RolloutTesting"]),
    suite("TidyTests", [], exclude: ["migrations.sha256"]),
  ]
)

// The fuzzers have no main of their own and build with a sanitizer only; see script/fuzz.
if Context.environment["ROLLOUT_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "RolloutFuzz",
      dependencies: [
        "DocumentKit", "YAMLKit", "DigestKit", "RolloutCore", "RolloutEvaluation", "HTTPKit",
        "HTTPServerKit", "PlatformKit",
        "RolloutGateway", "RolloutStore",
      ],
      path: "Fuzz/Sources",
      swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-parse-as-library"])]))
}
