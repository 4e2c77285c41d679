// The verbs of `mx`. Each takes its own arguments
// (argv[0] is the verb) and returns the exit status.
#pragma once

namespace mx::cli {

int run(int argc, char** argv);
int compare(int argc, char** argv);
int ps(int argc, char** argv);
int status(int argc, char** argv);
int events(int argc, char** argv);
int promote(int argc, char** argv);
int drop(int argc, char** argv);
int replay(int argc, char** argv);
int doctor(int argc, char** argv);
/// Becomes mx-analyze (analyzer/cli); returns only when that cannot be executed.
int analyze(int argc, char** argv);

}  // namespace mx::cli
