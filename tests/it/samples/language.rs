//! The languages of the guides: what each needs, and how its programs are built and run.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The time within which a receiver must listen. A virtual machine on a busy computer takes seconds.
const START: Duration = Duration::from_mins(1);

/// The time between two looks whether a receiver listens, so that its start has the processor.
const PAUSE: Duration = Duration::from_millis(10);

/// The ports of receivers. The system gives none of them to others by itself.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// The ports that were tried.
static PORTS_TRIED: AtomicU16 = AtomicU16::new(0);

/// The beginnings of variables that programs must not inherit: proxies, and what Cargo tells this test, for
/// which a Cargo within it would build some packages anew.
const LEFT_OUT: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
];

/// A language, and its two programs.
pub(crate) struct Language {
    pub(crate) heading: &'static str,
    pub(crate) tag: &'static str,
    publisher: Steps,
    receiver: Steps,
}

/// The steps from a program's text to a process. Commands are words separated by spaces, see [`words`].
#[derive(Clone, Copy)]
struct Steps {
    /// A command that succeeds if the machine has what the program needs.
    needs: &'static str,
    /// A command that makes a project, if the language wants one.
    project: Option<&'static str>,
    file: &'static str,
    build: Option<&'static str>,
    run: &'static str,
    /// The receiver's first line, if it must not be connected to before: .NET's `HttpListener` can crash.
    says: Option<&'static str>,
}

const fn steps(needs: &'static str, file: &'static str, run: &'static str) -> Steps {
    Steps {
        needs,
        project: None,
        file,
        build: None,
        run,
        says: None,
    }
}

pub(crate) fn python() -> Language {
    let library = "python3 -c __import__('standardwebhooks')";
    Language {
        heading: "Python",
        tag: "python",
        publisher: steps("python3 --version", "publish.py", "python3 {file}"),
        receiver: steps(library, "receiver.py", "python3 {file}"),
    }
}

pub(crate) fn javascript() -> Language {
    let library = "node --input-type=module -e import'standardwebhooks'";
    Language {
        heading: "JavaScript",
        tag: "js",
        publisher: steps("node --version", "publish.mjs", "node {file}"),
        receiver: steps(library, "receiver.mjs", "node {file}"),
    }
}

pub(crate) fn go() -> Language {
    let steps = |file| Steps {
        build: Some("go build -o program {file}"),
        ..steps("go version", file, "{folder}/program")
    };
    Language {
        heading: "Go",
        tag: "go",
        publisher: steps("publish.go"),
        receiver: steps("receiver.go"),
    }
}

pub(crate) fn php() -> Language {
    let serve = "php -S 127.0.0.1:{port} {file}";
    Language {
        heading: "PHP",
        tag: "php",
        publisher: steps("php --version", "publish.php", "php {file}"),
        receiver: steps("php --version", "receiver.php", serve),
    }
}

pub(crate) fn ruby() -> Language {
    Language {
        heading: "Ruby",
        tag: "ruby",
        publisher: steps("ruby --version", "publish.rb", "ruby {file}"),
        receiver: steps("ruby -r webrick -e 1", "receiver.rb", "ruby {file}"),
    }
}

pub(crate) fn java() -> Language {
    let steps = |file| steps("javac --version", file, "java {file}");
    Language {
        heading: "Java",
        tag: "java",
        publisher: steps("Publish.java"),
        receiver: steps("Receiver.java"),
    }
}

/// The guides show the examples of this crate; another test compares them.
pub(crate) fn rust() -> Language {
    let steps = |file, run| Steps {
        build: Some(
            "{cargo} build --profile test --examples --offline --locked --manifest-path {manifest}",
        ),
        ..steps("{cargo} --version", file, run)
    };
    Language {
        heading: "Rust",
        tag: "rust",
        publisher: steps("publisher.rs", "{examples}/publisher"),
        receiver: steps("receiver.rs", "{examples}/receiver"),
    }
}

pub(crate) fn csharp() -> Language {
    let dotnet = Steps {
        project: Some("dotnet new console -n sample -o ."),
        // Without the two options, servers of the compiler stay behind.
        build: Some("dotnet build -o out -nodereuse:false -p:UseSharedCompilation=false"),
        ..steps("dotnet --version", "Program.cs", "dotnet out/sample.dll")
    };
    Language {
        heading: "C#",
        tag: "csharp",
        publisher: dotnet,
        receiver: Steps {
            says: Some("listening"),
            ..dotnet
        },
    }
}

impl Language {
    /// Returns the program that publishes, ready to run; nothing if the machine lacks the language.
    pub(crate) fn publisher(&self, code: &str) -> Option<Program> {
        self.program(self.publisher, code)
    }

    /// Returns the program that receives, in the same way.
    pub(crate) fn receiver(&self, code: &str) -> Option<Program> {
        self.program(self.receiver, code)
    }

    fn program(&self, steps: Steps, code: &str) -> Option<Program> {
        // In this folder, packages that were installed for the tests are found.
        let folder = tempfile::Builder::new()
            .prefix("sample-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let program = Program { folder, steps };
        let is_there = program.command(steps.needs, 0).output();
        if !is_there.is_ok_and(|output| output.status.success()) {
            let Self { heading, .. } = self;
            let missing = format!(
                "{heading}: {} is not run: `{}` fails\n",
                steps.file, steps.needs
            );
            assert!(!super::all(), "{missing}");
            // Past the capturing of output: that a test ran nothing must be seen.
            io::stderr().write_all(missing.as_bytes()).unwrap();
            return None;
        }
        if let Some(project) = steps.project {
            program.must_succeed(project);
        }
        fs::write(program.folder.path().join(steps.file), code).unwrap();
        if let Some(build) = steps.build {
            program.must_succeed(build);
        }
        Some(program)
    }
}

/// A program in a folder of its own.
pub(crate) struct Program {
    folder: TempDir,
    steps: Steps,
}

impl Program {
    /// Runs the program to its end.
    pub(crate) fn run(&self, variables: &[(&str, String)]) -> Output {
        let mut command = self.command(self.steps.run, 0);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.output().unwrap()
    }

    /// Returns a port for [`Program::serve`].
    pub(crate) fn free_port() -> u16 {
        let count = PORTS.len();
        // Processes that run at the same time begin at different ports.
        let begin = std::process::id() as usize * 32;
        (0..count)
            .map(|_| usize::from(PORTS_TRIED.fetch_add(1, Ordering::Relaxed)))
            .map(|tried| PORTS.start + u16::try_from((begin + tried) % count).unwrap())
            .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .expect("a free port")
    }

    /// Starts the program as a receiver, and waits until it listens.
    pub(crate) fn serve(&self, port: u16, secret: &str) -> Serving {
        let log = self.folder.path().join("log");
        let file = File::create(&log).unwrap();
        let child = self
            .command(self.steps.run, port)
            .env("PORT", port.to_string())
            .env("WEBHOOK_SECRET", secret)
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut serving = Serving {
            child,
            log: log.clone(),
        };
        let end = Instant::now() + START;
        let listens = || match self.steps.says {
            Some(line) => fs::read_to_string(&log).unwrap().contains(line),
            None => TcpStream::connect(("127.0.0.1", port)).is_ok(),
        };
        while !listens() {
            let ended = serving.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "it does not listen"
            );
            thread::park_timeout(PAUSE);
        }
        serving
    }

    fn must_succeed(&self, command: &str) {
        let output = self.command(command, 0).output().unwrap();
        let Output { stdout, stderr, .. } = &output;
        let shown = [&stdout[..], stderr].concat();
        assert!(
            output.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&shown)
        );
    }

    fn command(&self, command: &str, port: u16) -> Command {
        let mut words = words(command, self.folder.path(), self.steps.file, port);
        let mut command = Command::new(words.remove(0));
        command
            .args(words)
            .current_dir(&self.folder)
            .env(
                "PYTHONPATH",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("python"),
            )
            .env("DOTNET_CLI_TELEMETRY_OPTOUT", "1")
            .env("DOTNET_NOLOGO", "1")
            .stdin(Stdio::null());
        let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in inherited.filter(|name| LEFT_OUT.iter().any(|left| name.starts_with(left))) {
            command.env_remove(name);
        }
        command
    }
}

/// Returns the words of a command, with the names in braces replaced.
fn words(command: &str, folder: &Path, file: &str, port: u16) -> Vec<String> {
    let tests = std::env::current_exe().unwrap();
    let examples = tests.ancestors().nth(2).unwrap().join("examples");
    let replace = |word: &str| {
        word.replace("{folder}", folder.to_str().unwrap())
            .replace("{file}", file)
            .replace("{port}", &port.to_string())
            .replace("{cargo}", env!("CARGO"))
            .replace(
                "{manifest}",
                concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            )
            .replace("{examples}", examples.to_str().unwrap())
    };
    command.split(' ').map(replace).collect()
}

/// A receiver that runs until this is dropped.
pub(crate) struct Serving {
    child: Child,
    log: PathBuf,
}

impl Drop for Serving {
    #[expect(clippy::print_stdout, reason = "shown with the failed test")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}
