//! Keeps an index of which policies govern which endpoints, and prints every match that begins or ends.
//!
//! ```text
//! cargo run -p tortie-selector --example keep_index
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use tortie_selector::{Event, Index, ParseError, Selector};

fn print(event: Event<'_, &'static str, &'static str>) {
    match event {
        Event::MatchStarted { selector, item, .. } => println!("  + {selector} governs {item}"),
        Event::MatchStopped { selector, item, .. } => println!("  - {selector} governs {item} no more"),
        _ => {}
    }
}

fn main() -> Result<(), ParseError> {
    let mut index = Index::<&str, &str, &str>::new();

    println!("two policies, nobody to govern");
    index.set_selector("lock-down", &Selector::parse("all()")?, print);
    index.set_selector("web", &Selector::parse("app == 'web' && env in {'prod', 'stage'}")?, print);

    println!("a pod in namespace shop, of which nothing is known yet");
    index.set_item("shop/web-1", [("app", "web")], ["shop"], print);

    println!("the namespace turns out to be in production");
    index.set_parent("shop", [("env", "prod")], print);

    println!("the pod says otherwise, and its own label counts");
    index.set_item("shop/web-1", [("app", "web"), ("env", "test")], ["shop"], print);

    println!(
        "{} match is left: {:?}",
        index.match_count(),
        index.selectors(&"shop/web-1").collect::<Vec<_>>()
    );

    println!("the pod goes");
    index.remove_item(&"shop/web-1", print);
    Ok(())
}
