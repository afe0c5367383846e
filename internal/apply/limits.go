package apply

// Limits bound what a worker asks of the table, beside what it finds that the table takes. They may be changed while it
// runs, by Worker.Limit.
type Limits struct {
	Units float64 // write units a second; 0 is unlimited
	Calls int     // calls to the table at once; Config.InFlight at most, and 0 is that
	// Paused lets no call to the table begin. Calls under way are finished, and what is done is committed. Records are
	// fetched until Config.MaxBytes is full, and those that can never be applied go to the dlq. Nothing is given up: the
	// records that are held wait, and are written when the pause is over, each after the control log was asked again.
	Paused bool
}

// Limit sets the limits, for the run under way and for those that follow. A lower limit holds for calls that begin from
// now on; units that were spent before still count, one call's at most. With a higher one the rate rises at once if the old
// limit was what held it, also where the table had set one between the two: that is found again. A rate below the old limit is
// the table's, and rises as ever. The number of calls rises with the answers. Safe for concurrent use.
func (w *Worker) Limit(l Limits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits = l
	w.Logger.Info("the limits are changed", "units", l.Units, "calls", l.Calls, "paused", l.Paused)
	for ls := range w.running {
		ls.limit(w.atMost(l))
	}
}

// atMost are the limits with as many calls as there are writers for, at the most.
func (w *Worker) atMost(l Limits) Limits {
	if l.Calls <= 0 || l.Calls > w.InFlight {
		l.Calls = w.InFlight
	}
	return l
}

// limited keeps the lanes of a run within the limits as they are now and as they change, until the returned function is
// called.
func (w *Worker) limited(ls *lanes) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[ls] = true
	ls.limit(w.atMost(w.limits))
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.running, ls)
	}
}
