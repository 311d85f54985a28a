//! A root module in a directory of its own, and a real Terraform in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A root module; gone when it is over.
pub(crate) struct Root {
    pub(crate) dir: PathBuf,
    /// Where Terraform finds providers, if it needs any.
    configuration: Option<PathBuf>,
}

/// Where the project is.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Root {
    /// One that says this.
    pub(crate) fn new(main: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("terraform-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let main = main.replace("REPOSITORY", repository().to_str().unwrap());
        fs::write(dir.join("main.tf"), main).unwrap();
        // Nobody is asked whether there is a newer Terraform.
        fs::write(dir.join("terraform.rc"), "disable_checkpoint = true\n").unwrap();
        Self { dir, configuration: None }
    }

    /// The same with the stand-ins of providers that scripts/install-terraform-tools made.
    pub(crate) fn with_providers(main: &str) -> Self {
        let configuration = std::env::var_os("TF_CLI_CONFIG_FILE").expect(
            "TF_CLI_CONFIG_FILE names the stand-ins; make terraform-test installs and names them",
        );
        let mut root = Self::new(main);
        root.configuration = Some(configuration.into());
        root
    }

    /// Terraform with these arguments.
    pub(crate) fn try_run(&self, args: &[&str]) -> Output {
        let own = self.dir.join("terraform.rc");
        Command::new("terraform")
            .args(args)
            .current_dir(&self.dir)
            .env("TF_CLI_CONFIG_FILE", self.configuration.as_ref().unwrap_or(&own))
            .env("TF_IN_AUTOMATION", "1")
            .output()
            .expect("terraform is on the PATH")
    }

    /// The same, which has to succeed; what it says.
    pub(crate) fn run(&self, args: &[&str]) -> Vec<u8> {
        let output = self.try_run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "terraform {}: {said}", args.join(" "));
        output.stdout
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Whatever cannot be removed lies in the system's own scratch space.
        let _ = fs::remove_dir_all(&self.dir);
    }
}
