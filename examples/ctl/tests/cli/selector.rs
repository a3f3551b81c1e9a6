//! `selector`.

use serde_json::{Value, json};

use crate::Shop;

const SELECTOR: &str = "app == 'web' && (tier in {'front', 'edge'} || has(public)) && !has(old)";
const CANONICAL: &str = r#"(app == "web" && (tier in {"edge", "front"} || has(public)) && !has(old))"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn texts_are_checked() {
    let shop = Shop::new();
    assert_eq!(
        shop.run(&["selector", "check", "! (has( b)||! has(a ))", " all( ) "]).good(),
        "ID                                        SELECTOR\n\
         s:Iss0uCleLYv1GSv_pNm7hAO58kE9jAx1NKyG3Q  !(has(b) || !has(a))\n\
         s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug  all()\n"
    );
    let ran = shop.run(&["selector", "check", "a == b"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert_eq!(
        ran.err,
        "error: expected a quoted string, found a word at byte 5\n  a == b\n       ^\n  hint: put the value in quotes\n"
    );
    // No file is needed, and none is made.
    assert!(!shop.datastore().exists());
}

#[test]
fn lines_are_checked() {
    let shop = Shop::new();
    shop.write("selectors", "has(a)\n\n  \nhas(b\nhas(c)\n");
    let ran = shop.run_with(&["selector", "check", "-", "--file", "selectors"], "a in 'x'\nhas(d)");
    assert_eq!(ran.code, Some(1));
    let found: Vec<&str> = ran.out.lines().skip(1).map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(found, ["has(d)", "has(a)", "has(c)"]);
    assert!(ran.err.starts_with("standard input: line 1: error: expected a set in braces, "), "{}", ran.err);
    assert!(
        ran.err
            .contains("\nselectors: line 4: error: expected ), found the end at byte 5\n  has(b\n       ^")
    );
}

#[test]
fn checks_are_told_to_machines() {
    let shop = Shop::new();
    let ran = shop.run(&["selector", "check", "-o", "json", "has( a)", "a = 'x'"]);
    assert_eq!(ran.code, Some(1));
    let [good, bad] = json(&ran.out).as_array().unwrap().clone().try_into().unwrap();
    assert_eq!((&good["text"], &good["canonical"]), (&"has( a)".into(), &"has(a)".into()));
    assert!(good["id"].as_str().unwrap().starts_with("s:"));
    assert_eq!(
        bad,
        json!({
            "text": "a = 'x'", "error": "expected ==, found `=` at byte 2", "start": 2, "end": 3,
            "hint": "operators are written twice: ==, &&, ||",
        })
    );
    let yaml = shop.run(&["selector", "check", "-o", "yaml", "has(a)"]).good();
    assert!(yaml.contains("canonical: has(a)"), "{yaml}");
}

#[test]
fn labels_are_matched() {
    let shop = Shop::new();
    assert_eq!(shop.run(&["selector", "eval", SELECTOR, "app=web", "tier=edge"]).good(), "match\n");
    assert_eq!(shop.run(&["selector", "eval", ""]).good(), "match\n");
    let ran = shop.run(&["selector", "eval", SELECTOR, "app=web", "tier=edge", "old="]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(1), "no match\n", ""));
    let told = shop.run(&["selector", "eval", "a == 'b=c'", "a=b=c", "-o", "json"]).good();
    assert_eq!(json(&told), json!({ "selector": "a == \"b=c\"", "labels": { "a": "b=c" }, "matches": true }));
}

#[test]
fn what_is_not_understood_has_a_status_of_its_own() {
    let shop = Shop::new();
    for (arguments, want) in [
        (
            ["selector", "eval", "a == b", "a=b"],
            "error: expected a quoted string, found a word at byte 5\n  a == b\n",
        ),
        (["selector", "explain", "has(a", "a=b"], "error: expected ), found the end at byte 5\n  has(a\n"),
        (
            ["selector", "compare", "has(a)", "has(a) has(b)"],
            "error: expected &&, || or the end of the selector",
        ),
        (["selector", "eval", "has(a)", "a"], "error: `a` is not LABEL=VALUE\n"),
        (["selector", "eval", "has(a)", "a b=c"], "error: `a b` is no label name: "),
        (["selector", "check", "--file", "none"], "error: none: "),
    ] {
        let ran = shop.run(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.err.starts_with(want), "{}", ran.err);
    }
    assert_eq!(
        shop.run(&["selector", "eval", "has(a)", "a=1", "a=2"]).bad(),
        "error: label `a` is there twice\n"
    );
    assert_eq!(shop.run(&["selector", "check"]).bad(), "error: no text was given\n");
    assert_eq!(shop.run(&["selector", "compare", "has(a)"]).code, Some(2));
}

#[test]
fn terms_are_explained() {
    let shop = Shop::new();
    assert_eq!(
        shop.run(&["selector", "explain", SELECTOR, "app=web", "public="]).good(),
        r#"match      all of
  match      app == "web"  [app is "web"]
  match      one of
    no match   tier in {"edge", "front"}  [tier is missing]
    match      has(public)  [public is ""]
  match      not
    no match   has(old)  [old is missing]
"#
    );
    assert_eq!(
        shop.run(&["selector", "explain", SELECTOR, "app=db"]).good(),
        r#"no match   all of
  no match   app == "web"  [app is "db"]
  not asked  one of
    not asked  tier in {"edge", "front"}
    not asked  has(public)
  not asked  not
    not asked  has(old)
"#
    );
    // A first alternative that matches settles it, and is not what `&&` stops at.
    assert_eq!(
        shop.run(&["selector", "explain", "all() || has(a)"]).good(),
        "match      one of\n  match      all()\n  not asked  has(a)\n"
    );
    let told = shop.run(&["selector", "explain", "-o", "json", "a != 'x' || has(b)", "a=x"]).good();
    assert_eq!(
        json(&told),
        json!({
            "selector": "(a != \"x\" || has(b))", "labels": { "a": "x" }, "matches": false,
            "term": { "term": "one of", "outcome": "no match", "operands": [
                { "term": "a != \"x\"", "outcome": "no match", "label": "a", "value": "x" },
                { "term": "has(b)", "outcome": "no match", "label": "b", "value": null },
            ] },
        })
    );
}

#[test]
fn selectors_are_compared() {
    let shop = Shop::new();
    assert_eq!(
        shop.run(&["selector", "compare", SELECTOR, "app starts with 'w'"]).good(),
        format!(
            r#"first   {CANONICAL}
second  app starts with "w"

QUESTION              ANSWER  SHOWN BY
first can match       yes     app="web" tier="edge"
second can match      yes     app="wx"
first implies second  yes
second implies first  no      app="wx"
disjoint              no      app="web" tier="edge"
equivalent            no      app="wx"
"#
        )
    );
    let told = shop.run(&["selector", "compare", "-o", "json", "!has(a)", "a == 'x' && a == 'y'"]).good();
    let no_labels = json!({ "answer": "yes", "labels": {} });
    assert_eq!(
        json(&told),
        json!({
            "first": "!has(a)", "second": "(a == \"x\" && a == \"y\")",
            "firstCanMatch": no_labels, "secondCanMatch": { "answer": "no" },
            "firstImpliesSecond": { "answer": "no", "labels": {} },
            "secondImpliesFirst": { "answer": "yes" }, "disjoint": { "answer": "yes" },
            "equivalent": { "answer": "no", "labels": {} },
        })
    );
    let hurried = shop.run(&["selector", "compare", "--steps", "0", "has(a)", "has(b)"]).good();
    assert_eq!(hurried.matches("unknown").count(), 6, "{hurried}");
    assert!(shop.run(&["selector", "compare", "", "!has(a)"]).good().contains("yes     no labels\n"));
}
