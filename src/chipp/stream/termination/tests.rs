use super::*;

fn written(write: impl FnOnce(&mut Outlet<'_>)) -> Vec<Event> {
    let mut events = Vec::new();
    write(&mut Termination::default().outlet(&mut events));
    events
}

fn id(id: &str) -> ChatSessionId {
    ChatSessionId::parse(id).unwrap()
}

#[test]
fn nothing_but_metadata_after_a_finish() {
    let usage = Usage { prompt_tokens: Some(1), completion_tokens: None };
    let events = written(|out| {
        out.finish_word("length");
        out.finish();
        out.text("late");
        out.finish_word("stop");
        out.work();
        out.reset_step();
        out.finish();
        out.fail(Failure::Cut);
        out.session_text(Place::TopLevel, "s");
        out.session_text(Place::TopLevel, "s");
        out.usage(Some(usage));
        out.usage(Some(usage));
        out.usage(None);
    });
    let session = Event::Session(id("s"));
    assert_eq!(events, [Event::Finish(FinishReason::Length), session, Event::Usage(usage)]);
}

#[test]
fn nothing_at_all_after_a_failure() {
    let events = written(|out| {
        out.finish_word("interrupted");
        out.session_text(Place::Start, "s");
        out.usage(Some(Usage { prompt_tokens: Some(1), completion_tokens: None }));
        out.text("late");
        out.finish();
    });
    assert_eq!(events, [Event::Failure(Failure::Interrupted)]);
}

#[test]
fn a_finish_that_is_followed_by_work_was_not_the_last() {
    let continues: [fn(&mut Outlet<'_>); 6] = [
        |out| out.text("more"),
        |out| out.work(),
        |out| out.step(),
        |out| out.reset_step(),
        |out| out.tool_call("1"),
        |out| out.tool_result("1"),
    ];
    for go_on in continues {
        let mut state = Termination::default();
        let mut events = Vec::new();
        let mut out = state.outlet(&mut events);
        out.finish_word("stop");
        out.end_mark();
        assert!(out.state.is_finishing());
        go_on(&mut out);
        assert!(!out.state.is_finishing());
        out.end_of_body();
        assert_eq!(events.last(), Some(&Event::Failure(Failure::Cut)));
    }
}

#[test]
fn a_tool_at_work_keeps_a_finished_round_open() {
    let mut state = Termination::default();
    let mut events = Vec::new();
    let mut out = state.outlet(&mut events);
    out.tool_call("1");
    out.tool_call("2");
    out.finish_word("");
    assert!(!out.state.is_finishing());
    out.tool_result("2");
    out.finish_word("stop");
    assert!(!out.state.is_finishing());
    // The next round speaks, so the first tool has ended though its result was not seen.
    out.text("so");
    out.finish_word("stop");
    assert!(out.state.is_finishing());
}

#[test]
fn a_call_of_the_next_round_is_open_whatever_the_round_before_left() {
    let mut state = Termination::default();
    let mut events = Vec::new();
    let mut out = state.outlet(&mut events);
    out.tool_call("1");
    out.finish_word("stop");
    out.tool_result("1");
    out.tool_call("2");
    out.text("looking");
    out.finish_word("stop");
    assert!(!out.state.is_finishing());
    out.tool_result("");
    out.finish_word("stop");
    assert!(out.state.is_finishing(), "a result without an id is that of the only call");
}

#[test]
fn text_of_the_same_round_does_not_end_its_tools() {
    let mut state = Termination::default();
    let mut events = Vec::new();
    let mut out = state.outlet(&mut events);
    out.tool_call("1");
    out.text("looking");
    out.finish_word("stop");
    assert!(!out.state.is_finishing());
}

#[test]
fn the_reason_is_that_of_the_last_round() {
    let end = |write: fn(&mut Outlet<'_>)| {
        let events = written(|out| {
            write(out);
            out.finish();
        });
        events.last().cloned().unwrap()
    };
    let stop = Event::Finish(FinishReason::Stop);
    let length = Event::Finish(FinishReason::Length);
    assert_eq!(end(|_| {}), stop);
    assert_eq!(end(|out| out.finish_word("max_tokens")), length);
    assert_eq!(
        end(|out| {
            out.finish_word("max_tokens");
            out.work();
        }),
        length,
        "a step's frame may come after it"
    );
    assert_eq!(
        end(|out| {
            out.finish_word("max_tokens");
            out.text("more");
        }),
        stop
    );
    assert_eq!(
        end(|out| {
            out.finish_word("tool_calls");
            out.tool_result("1");
        }),
        stop,
        "the last round was a tool's"
    );
}

#[test]
fn an_error_of_a_run_that_has_acted_is_the_runs() {
    let told = |write: fn(&mut Outlet<'_>)| {
        let events = written(|out| {
            write(out);
            out.fail(Failure::Api(ApiError { kind: ErrorKind::InvalidKey, message: None }));
        });
        let Some(Event::Failure(Failure::Api(error))) = events.last() else { panic!("{events:?}") };
        error.kind.clone()
    };
    assert_eq!(told(|out| out.text("a")), ErrorKind::InvalidKey);
    let acts: [fn(&mut Outlet<'_>); 4] = [
        |out| out.tool_call("1"),
        |out| out.tool_result("1"),
        |out| out.finish_word("tool_use"),
        |out| out.step_word("tool-calls"),
    ];
    for act in acts {
        assert_eq!(told(act), ErrorKind::Server);
    }
}

#[test]
fn an_unknown_word_proves_nothing() {
    let mut state = Termination::default();
    let mut events = Vec::new();
    let mut out = state.outlet(&mut events);
    out.text("a");
    out.finish_word("wibble");
    assert!(!out.state.is_finishing());
    out.end_of_body();
    assert_eq!(events.last(), Some(&Event::Failure(Failure::Cut)));
    assert_eq!(state.unknown_words().count, 1);
    let whole = written(|out| {
        out.finish_word("wibble");
        out.finish();
    });
    assert_eq!(
        whole.last(),
        Some(&Event::Finish(FinishReason::Stop)),
        "the dialect's end shows that it is whole"
    );
}

#[test]
fn nothing_but_unknown_events_is_no_answer() {
    let expected = [Event::Failure(Failure::Unrecognized)];
    let ends: [fn(&mut Outlet<'_>); 2] = [|out| out.finish(), |out| out.end_of_body()];
    for end in ends {
        let events = written(|out| {
            out.unknown();
            end(out);
        });
        assert_eq!(events, expected);
    }
    let known = written(|out| {
        out.unknown();
        out.known();
        out.finish();
    });
    assert_eq!(known.last(), Some(&Event::Finish(FinishReason::Stop)));
}

#[test]
fn a_step_that_begins_anew_takes_back_its_own_text_only() {
    let events = written(|out| {
        out.text("kept");
        out.step();
        out.reset_step();
        out.text("vo");
        out.text("id");
        out.reset_step();
        out.reset_step();
        out.text("so");
    });
    let text = |text: &str| Event::Text(text.into());
    assert_eq!(events, [text("kept"), text("vo"), text("id"), Event::Withdrawn(4), text("so")]);
}

#[test]
fn an_id_from_a_better_place_is_not_replaced() {
    let events = written(|out| {
        out.session(Some((Place::Metadata, id("m1"))));
        out.session(Some((Place::Metadata, id("m2"))));
        out.session_text(Place::Start, "s");
        out.session_text(Place::TopLevel, "t");
        out.session(Some((Place::Metadata, id("m3"))));
        out.session_text(Place::Start, "two words");
    });
    let sessions = ["m1", "m2", "s"].map(|name| Event::Session(id(name)));
    assert_eq!(events, sessions);
    let mut state = Termination::default();
    state.know(id("h"));
    let mut events = Vec::new();
    state.outlet(&mut events).session_text(Place::Start, "s");
    assert_eq!(events, []);
}
