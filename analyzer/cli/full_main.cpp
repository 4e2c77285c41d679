#include "analyzer/cli/analyze_main.h"

int main(int argc, char** argv) { return mx::analyzer::analyze_main(argc, argv); }
