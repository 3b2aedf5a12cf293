//! The log signs only what continues it: a tree that was forged in a store gets no signature.

use std::sync::Arc;

use opsorch::audit::{Checkpoint, Frontier, LogWriter, SigningKey, leaf_hash};
use opsorch::{Actor, Clock, Entry, ErrorKind, Event, ManualClock, Operation};

const ORIGIN: &str = "example.com/ops";

/// What a store holds of a log: the leaves, the tree and the newest head.
struct Stored {
    leaves: Vec<String>,
    tree: Frontier,
    head: Option<String>,
}

impl Stored {
    fn empty() -> Self {
        Self { leaves: Vec::new(), tree: Frontier::default(), head: None }
    }

    fn append(&mut self, writer: &LogWriter, count: usize) -> opsorch::Result<()> {
        let batch = writer.append(&mut self.tree, self.head.as_deref(), vec![entry(); count])?;
        writer.committed(&self.tree);
        self.leaves.extend(batch.leaves.into_iter().map(|stored| stored.leaf));
        self.head = Some(batch.checkpoint);
        Ok(())
    }

    /// Builds the tree anew, as somebody does who changed the leaves.
    fn rebuild(&mut self) {
        self.tree = Frontier::default();
        for leaf in &self.leaves {
            self.tree.push(leaf_hash(leaf.as_bytes()));
        }
    }
}

fn entry() -> Entry {
    Entry::new(ManualClock::default().now(), Event::Refused, Actor::agent("triage"), Operation::TicketCreate, "r")
}

fn key(seed: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap())
}

fn refusal(stored: &mut Stored, writer: &LogWriter) -> String {
    let before = stored.tree.clone();
    let error = stored.append(writer, 1).unwrap_err();
    assert_eq!(stored.tree, before, "nothing was appended");
    assert_eq!(error.kind(), &ErrorKind::Unexpected);
    assert!(!error.may_have_applied());
    error.message().to_owned()
}

#[test]
fn entries_that_were_changed_together_with_the_tree_get_no_signature() {
    let running = LogWriter::new(key(1));
    let mut stored = Stored::empty();
    stored.append(&running, 5).unwrap();
    stored.leaves[2] = stored.leaves[2].replace("triage", "nobody");
    stored.rebuild();
    assert!(refusal(&mut stored, &running).contains("cut or rewritten"));
    assert!(refusal(&mut stored, &LogWriter::new(key(1))).contains("its tree and its head differ"), "after a restart");
}

#[test]
fn entries_that_were_added_deleted_or_moved_together_with_the_tree_get_no_signature() {
    let edits: [fn(&mut Vec<String>); 3] =
        [|leaves| leaves.push(leaves[0].clone()), |leaves| drop(leaves.remove(3)), |leaves| leaves.swap(0, 4)];
    for edit in edits {
        let running = LogWriter::new(key(1));
        let mut stored = Stored::empty();
        stored.append(&running, 5).unwrap();
        edit(&mut stored.leaves);
        stored.rebuild();
        refusal(&mut stored, &running);
        refusal(&mut stored, &LogWriter::new(key(1)));
    }
}

#[test]
fn a_forged_head_does_not_help() {
    let mut stored = Stored::empty();
    stored.append(&LogWriter::new(key(1)), 5).unwrap();
    stored.leaves[2] = stored.leaves[2].replace("triage", "nobody");
    stored.rebuild();
    let writer = LogWriter::new(key(1)).former_keys([key(2).verifier()]);

    let head = Checkpoint::new(ORIGIN, stored.tree.size(), stored.tree.root()).unwrap();
    stored.head = Some(key(3).sign(&head));
    assert!(refusal(&mut stored, &writer).contains("the signature of its head is not ours"));

    let elsewhere = Checkpoint::new("example.com/other", stored.tree.size(), stored.tree.root()).unwrap();
    stored.head = Some(key(1).sign(&elsewhere));
    assert!(refusal(&mut stored, &writer).contains("its head is another log's"));

    stored.head = None;
    assert!(refusal(&mut stored, &writer).contains("no signed head"));
}

#[test]
fn a_running_writer_does_not_go_back_to_an_older_head_although_it_signed_it() {
    let running = LogWriter::new(key(1));
    let mut stored = Stored::empty();
    stored.append(&running, 3).unwrap();
    let (tree, head) = (stored.tree.clone(), stored.head.clone());
    stored.append(&running, 2).unwrap();

    (stored.tree, stored.head) = (tree.clone(), head);
    assert!(refusal(&mut stored, &running).contains("cut"));
    running.committed(&tree);
    assert!(refusal(&mut stored, &running).contains("cut"), "what was committed last is not what was noted last");
    stored.append(&LogWriter::new(key(1)), 1).expect("a restarted writer cannot know; an anchor does");
}

#[test]
fn a_running_writer_does_not_go_on_from_another_tree_of_the_size_it_signed() {
    let running = LogWriter::new(key(1));
    let mut stored = Stored::empty();
    stored.append(&running, 5).unwrap();
    stored.tree = tree_of(5);
    stored.head = Some(key(1).sign(&Checkpoint::new(ORIGIN, 5, stored.tree.root()).unwrap()));
    assert!(refusal(&mut stored, &running).contains("rewritten"));
}

/// A tree over leaves that no log wrote.
fn tree_of(size: u8) -> Frontier {
    let mut tree = Frontier::default();
    (0..size).for_each(|leaf| drop(tree.push(leaf_hash(&[leaf]))));
    tree
}

#[test]
fn a_head_of_a_former_key_is_continued_and_one_of_a_forgotten_key_is_not() {
    let mut stored = Stored::empty();
    stored.append(&LogWriter::new(key(1)), 2).unwrap();
    refusal(&mut stored, &LogWriter::new(key(2)));
    let rotated = LogWriter::new(key(2)).former_keys([key(1).verifier()]);
    stored.append(&rotated, 1).unwrap();
    refusal(&mut stored, &LogWriter::new(key(1)));
    stored.append(&LogWriter::new(key(2)), 1).expect("the head is its own by now");
}
