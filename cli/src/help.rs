//! What stands below the options in a command's help: examples, and what else a new user wants to know.

pub(crate) const ALL: &str = "\
First steps, in a folder with manifests (docs/first-pipeline.md makes one):
  aggregator lint -f .                      are they right?
  aggregator plan -f .                      what would a run do?
  aggregator preview -f . --node orders     what do the rows look like?
  aggregator run -f . --state state         do it

Exit codes:
  0    done
  1    the run failed, or a server refused something
  2    wrong usage, or an invalid manifest
  3    a connector or a server could not be reached
  4    a quality rule or the reject budget was broken
  130  interrupted";

pub(crate) const LINT: &str = "\
Examples:
  aggregator lint -f pipeline.yaml -f connectors.yaml
  aggregator lint -f .
Columns too, without reaching the database again:
  aggregator connectors discover -f . -c shop -o json > shop.json
  aggregator lint -f . --catalogue shop=shop.json

Exit code 2 when there is an error; warnings alone are 0.";

pub(crate) const PLAN: &str = "\
Examples:
  aggregator plan -f .
  aggregator plan -f . --pipeline turnover --secrets secrets --state state";

pub(crate) const PREVIEW: &str = "\
Examples:
  aggregator preview -f . --node orders
  aggregator preview -f . --pipeline turnover --node table --limit 5 -o json";

pub(crate) const RUN: &str = "\
Modes:
  Incremental  read each source as its `sync` says, and remember how far
  Full         read each source from its start
  DryRun       read and check everything, write and remember nothing
  Preview      show the first rows of each sink

Examples:
  aggregator run -f . --state state
  aggregator run -f . --pipeline turnover --param day=2026-11-01 --mode Full
  aggregator run -f . --secrets secrets --memory 512Mi --report report.json
  aggregator run -f . --state state --shard 0/4    the first of four processes
  aggregator run -f . --backfill 2026-01-01/2026-02-01    January once more

Ctrl-C stops a run; the next one goes on from where it can.

A Pipeline of a server (`aggregator up`, or a cluster) is run there by its name,
with --mode, --param, --backfill, --namespace, --kubeconfig and --context:
  aggregator run turnover                  start it
  aggregator run turnover -n shop --wait   wait for its end, and show the ledger
Ctrl-C then stops the waiting, and not the run.";

pub(crate) const TEST: &str = "\
Examples:
  aggregator test -f clean-flight.yaml      the tests in a Transformation
  aggregator test -f .                      those, and all *.test.yaml files

Exit code 1 when a test fails. docs/testing.md says how to write one.";

pub(crate) const CONNECTORS: &str = "\
Examples:
  aggregator connectors list
  aggregator connectors schema postgres
  aggregator connectors check -f connectors.yaml --secrets secrets
  aggregator connectors discover -f connectors.yaml --connector shop";

pub(crate) const LIST: &str = "\
Example:
  aggregator connectors list";

pub(crate) const SCHEMA: &str = "\
Examples:
  aggregator connectors schema postgres
  aggregator connectors schema http -o json      as JSON Schema, for an editor";

pub(crate) const CHECK: &str = "\
Examples:
  aggregator connectors check -f .
  aggregator connectors check -f . --connector shop --secrets secrets

Exit code 3 when one could not be reached.";

pub(crate) const DISCOVER: &str = "\
Examples:
  aggregator connectors discover -f .
  aggregator connectors discover -f . --connector shop -o json > shop.json";

pub(crate) const FUNCTIONS: &str = "\
Examples:
  aggregator functions                      all of them
  aggregator functions money_amount         one, with examples";

pub(crate) const CODEGEN: &str = "\
Examples:
  aggregator codegen -f . --transformation clean-flight --to sql
  aggregator codegen -f . --transformation clean-flight --to polars > clean.py";

pub(crate) const UP: &str = "\
Not for production: Pods are processes of yours with no walls between them.
It prints what to type next. Ctrl-C ends it, a second one at once.

Examples:
  aggregator up                            again what is in .aggregator/cluster
  aggregator up --ephemeral --seed demo    something to look at, gone at the end
  aggregator up --watch pipelines          manifests applied as they change";

pub(crate) const GET: &str = "\
Kinds have their plural, singular or short names, as pipelines, pipeline, apipe.

Examples:
  aggregator get pipelines                 with a server of `aggregator up`, too
  aggregator get pipelineruns -n shop -w   go on with what changes
  aggregator get pipeline/turnover connector/orders
  aggregator get pods -A -l aggregator.dev/run --wide
  aggregator get pipeline turnover -o json

As YAML: `aggregator export pipeline turnover`.";

pub(crate) const DESCRIBE: &str = "\
Examples:
  aggregator describe pipelinerun turnover-x7k2p
  aggregator describe connectors -n shop

Values of Secrets are not shown.";

pub(crate) const APPLY: &str = "\
All files are read and checked before anything is written. What the server
refuses does not stop the rest; the exit code tells.

Examples:
  aggregator apply -f .
  aggregator apply -f pipeline.yaml --dry-run
  aggregator apply -f . -n shop --force-conflicts";

pub(crate) const DELETE: &str = "\
Examples:
  aggregator delete pipelinerun turnover-x7k2p
  aggregator delete -f pipeline.yaml
  aggregator delete pipelineruns -l aggregator.dev/pipeline=shop --wait=false";

pub(crate) const LOGS: &str = "\
Examples:
  aggregator logs turnover-x7k2p           the run's current attempt
  aggregator logs -f pipeline/turnover     its latest run, until that ends
  aggregator logs job/nightly --tail 20 --since 10m";

pub(crate) const EXPORT: &str = "\
Examples:
  aggregator export -n shop > shop.yaml
  aggregator export -A > all.yaml
  aggregator export pipeline turnover      one, with nothing of the server

Secrets are never exported; those that Connectors need are named in a comment.";

pub(crate) const OPERATOR: &str = "\
It reaches the cluster as kubectl does: by KUBECONFIG or ~/.kube/config, or as the ServiceAccount of its Pod.

Examples:
  aggregator operator                          what its Deployment runs
  aggregator operator --namespace demo -v      one namespace, saying what is done";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  source <(aggregator completions bash)     for this shell only
  aggregator completions zsh > _aggregator";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::args::Arguments;

    /// The help of a command and of all below it, as a terminal of 80 columns shows it.
    fn helps(command: &clap::Command, helps: &mut Vec<(String, String)>) {
        let rendered = command.clone().term_width(80).render_long_help().to_string();
        helps.push((command.get_name().to_owned(), rendered));
        // What is hidden is written by programs, for programs.
        for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
            self::helps(below, helps);
        }
    }

    fn all() -> Vec<(String, String)> {
        let mut command = Arguments::command();
        command.build();
        let mut found = Vec::new();
        helps(&command, &mut found);
        assert!(found.len() > 12, "{found:?}");
        found
    }

    #[test]
    fn every_help_fits_into_80_columns() {
        for (name, help) in all() {
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
    }

    #[test]
    fn every_help_has_an_example_and_every_example_is_one() {
        for (name, help) in all() {
            let mut examples = 0;
            for line in help.lines().filter_map(|line| line.strip_prefix("  aggregator ")) {
                // Behind two blanks an example is explained, behind a bracket its output goes elsewhere.
                let line = line.split("  ").next().and_then(|line| line.split(" > ").next()).unwrap_or_default();
                let words = std::iter::once("aggregator").chain(line.split_whitespace());
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{name}: {line}: {error}");
                }
                examples += 1;
            }
            assert!(examples > 0, "{name} has no example:\n{help}");
        }
    }
}
