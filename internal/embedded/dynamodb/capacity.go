package dynamodb

// usage is the capacity units that a call used of one table, and of each of its indexes.
type usage struct {
	table   float64
	indexes map[*index]float64 // nil if there is none
}

// add adds another usage of the same table, so many times.
func (u *usage) add(o usage, times float64) {
	u.table += o.table * times
	for x, units := range o.indexes {
		u.addIndex(x, units*times)
	}
}

func (u *usage) addIndex(x *index, units float64) {
	if units == 0 {
		return
	}
	if u.indexes == nil {
		u.indexes = map[*index]float64{}
	}
	u.indexes[x] += units
}

func (u usage) total() float64 {
	sum := u.table
	for _, units := range u.indexes {
		sum += units
	}
	return sum
}

// usages are the usages of several tables.
type usages map[*table]*usage

func (u usages) add(t *table, of usage, times float64) {
	if u[t] == nil {
		u[t] = &usage{}
	}
	u[t].add(of, times)
}

// consumed is the answer to ReturnConsumedCapacity for several tables.
func (u usages) consumed(want string) (all []*consumedCapacity) {
	for t, used := range u {
		if capacity := consumed(want, t, *used); capacity != nil {
			all = append(all, capacity)
		}
	}
	return all
}

type capacityUnits struct{ CapacityUnits float64 }

type consumedCapacity struct {
	TableName              string
	CapacityUnits          float64
	Table                  *capacityUnits           `json:",omitzero"`
	LocalSecondaryIndexes  map[string]capacityUnits `json:",omitzero"`
	GlobalSecondaryIndexes map[string]capacityUnits `json:",omitzero"`
}

// consumed is the answer to ReturnConsumedCapacity. What an index used is part of the sum.
func consumed(want string, t *table, used usage) *consumedCapacity {
	if want != "TOTAL" && want != "INDEXES" {
		return nil
	}
	c := &consumedCapacity{TableName: t.name, CapacityUnits: used.total()}
	if want == "TOTAL" {
		return c
	}
	if used.table > 0 || used.indexes == nil {
		c.Table = &capacityUnits{used.table}
	}
	for x, units := range used.indexes {
		all := &c.LocalSecondaryIndexes
		if x.global {
			all = &c.GlobalSecondaryIndexes
		}
		if *all == nil {
			*all = map[string]capacityUnits{}
		}
		(*all)[x.name] = capacityUnits{units}
	}
	return c
}
