package main

// mutants are the guards that may be taken away, in the order of a row's way.
var mutants = []mutant{
	{
		"capture.fact-before-publish", "internal/capture/reader.go",
		"	if err := r.publish(ctx, page.Changes); err != nil {\n",
		"	if len(page.Changes) > 0 {\n		early := r.fact\n		early.Position = page.Changes[len(page.Changes)-1].Position\n" +
			"		_ = r.write(ctx, early)\n	}\n	if err := r.publish(ctx, page.Changes); err != nil {\n",
		"",
	},
	{"capture.child-before-parent", "internal/capture/plan.go", "return s.Parent == \"\" || known && (parent.Done || parent.Before)", "return s.Parent == \"\" || known && parent != checkpoint.ShardFact{}", "ParentFirst"},
	{"capture.skip-gap", "internal/capture/reader.go", "	from := From{After: r.fact.Position, At: r.fact.Start, Oldest: r.seenEmpty()}", "	from := From{Oldest: true}", ""},
	{"capture.latest", "internal/capture/reader.go", "			iterator = \"\" // a new one, from the last position that was published; in a moment, for it may be refused too\n", "			r.fact.Position = events.PositionAt(1 << 62)\n			iterator = \"\"\n", ""},
	{"snapshot.fact-before-ack", "internal/snapshot/worker.go", "			if err := w.publish(ctx, to, page); err != nil {\n", "			pen.Put(strconv.Itoa(to.Segment), w.fact(to))\n			if err := w.publish(ctx, to, page); err != nil {\n", ""},
	{"frontier.highest", "internal/checkpoint/frontier.go", "for f.first < len(f.pending) && f.pending[f.first].finished {", "for f.first < len(f.pending) && (f.pending[f.first].finished || f.pending[len(f.pending)-1].finished) {", ""},
	{"target.unconditional", "internal/newtable/condition.go", `"attribute_not_exists(#k) OR #v < :v"`, `"attribute_not_exists(#k) OR #v < :v OR #v > :v"`, ""},
	{"target.or-equal", "internal/newtable/condition.go", `"attribute_not_exists(#k) OR #v < :v"`, `"attribute_not_exists(#k) OR #v <= :v"`, ""},
	{"apply.past-close", "internal/apply/decide.go", "		return PastClose\n", "		return 0\n", "DropPastClose"},
	{"apply.old-generation", "internal/apply/decide.go", "		return events.Event{}, OldGen, nil\n", "		return e, 0, nil\n", "DropOldGeneration"},
	{"sweep.no-grace", "internal/sweep/pass.go", "	case <-time.After(s.Grace):", "	case <-time.After(0):", "SweepGrace, SweepSettles"},
	{"sweep.no-fact", "internal/sweep/guards.go", "		if why, ok := settled.covers(m, state.Generation()); !ok {\n			return why\n		}\n", "		_ = m\n", "SweepFacts"},
	{"sweep.live-uncommitted", "internal/sweep/guards.go", "	return behind(logs.LiveCommitted, w.LiveEnds, \"live\")", "	return \"\"", "SweepLiveApplied"},
	{"sweep.snapshot-uncommitted", "internal/sweep/guards.go", "	if text := behind(logs.SnapshotCommitted, state.Closed.Ends, \"snapshot\"); text != \"\" {", "	if text := \"\"; text != \"\" {", "SweepSnapshotApplied"},
	{"sweep.updated", "internal/newtable/format.go", "	return !f.Names.Has(name) && ", "	return false && !f.Names.Has(name) && ", ""},
	{"search.no-lookup", "internal/snapshot/vanished.go", "return Suspect(item, current) && !atSource", "return Suspect(item, current)", "MarkIfGone"},
	{"search.nothing", "internal/snapshot/vanished.go", "return Suspect(item, current) && !atSource", "return false", ""},
	{"search.unapplied", "internal/snapshot/vanished.go", "	if missing > 0 {", "	if missing > 1<<40 {", "MarkAfterApplied with MarkIfGone"},
	{"facts.shortest", "internal/checkpoint/fact.go", "boolCompare(f.Done, o.Done),\n		cmp.Compare(f.Position, o.Position)", "boolCompare(f.Done, o.Done),\n		cmp.Compare(o.Position, f.Position)", ""},
}
