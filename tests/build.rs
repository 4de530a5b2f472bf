//! Lets the binaries find libtorch where the build found it, and tells the
//! tests whether there are real recordings and a browser.

mod browser;
mod recordings;

fn main() {
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    }
    recordings::tell();
    browser::tell();
}
