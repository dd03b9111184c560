//! Order of services by their dependencies (spec §7).

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Services that depend on each other in a circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dependency cycle: {}", members.join(" -> "))]
pub struct CycleError {
    /// Names along the circle, the first again at the end.
    pub members: Vec<String>,
}

/// Names in an order in which every name comes after those that it depends on; the smallest ready name first.
/// Dependencies that are no names of the map (infrastructure, provisioner services) are ignored.
///
/// # Errors
/// [`CycleError`].
pub fn topological_sort(services: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, CycleError> {
    let mut waiting_for: BTreeMap<&str, usize> = BTreeMap::new();
    let mut dependants: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in services.keys() {
        let dependencies = known_dependencies(services, name);
        waiting_for.insert(name, dependencies.len());
        for dependency in dependencies {
            dependants.entry(dependency).or_default().push(name);
        }
    }
    let mut ready: BTreeSet<&str> =
        waiting_for.iter().filter(|(_, count)| **count == 0).map(|(n, _)| *n).collect();
    let mut order = Vec::with_capacity(services.len());
    while let Some(name) = ready.pop_first() {
        waiting_for.remove(name);
        order.push(name.to_owned());
        for dependant in dependants.get(name).into_iter().flatten() {
            if let Some(count) = waiting_for.get_mut(dependant) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(dependant);
                }
            }
        }
    }
    let left_over: BTreeSet<&str> = waiting_for.into_keys().collect();
    if left_over.is_empty() { Ok(order) } else { Err(find_cycle(services, &left_over)) }
}

fn known_dependencies<'a>(services: &'a BTreeMap<String, Vec<String>>, name: &str) -> BTreeSet<&'a str> {
    let dependencies = services.get(name).into_iter().flatten().map(String::as_str);
    dependencies.filter(|dependency| services.contains_key(*dependency)).collect()
}

/// Every name that is left over waits for another one that is, so following these must come back to itself.
fn find_cycle(services: &BTreeMap<String, Vec<String>>, left_over: &BTreeSet<&str>) -> CycleError {
    let mut path: Vec<&str> = Vec::new();
    let mut steps: HashMap<&str, usize> = HashMap::new();
    let mut next = left_over.first().copied();
    while let Some(name) = next {
        if let Some(start) = steps.insert(name, path.len()) {
            return CycleError { members: from_smallest(&path[start..]) };
        }
        path.push(name);
        next = known_dependencies(services, name).into_iter().find(|dependency| left_over.contains(dependency));
    }
    CycleError { members: path.into_iter().map(str::to_owned).collect() }
}

fn from_smallest(circle: &[&str]) -> Vec<String> {
    let smallest = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(index, _)| index);
    let around = circle.iter().cycle().skip(smallest).take(circle.len() + 1);
    around.map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(services: &[(&str, &[&str])]) -> Result<Vec<String>, CycleError> {
        let owned = services.iter().map(|(name, dependencies)| {
            ((*name).to_owned(), dependencies.iter().map(|d| (*d).to_owned()).collect())
        });
        topological_sort(&owned.collect())
    }

    #[test]
    fn a_cycle_is_told_from_its_smallest_member_without_those_who_only_wait_for_it() {
        let error =
            sort(&[("a", &["y"]), ("y", &["z"]), ("z", &["x"]), ("x", &["y"]), ("free", &[])]).unwrap_err();
        assert_eq!(error.members, ["x", "y", "z", "x"]);
        assert_eq!(error.to_string(), "dependency cycle: x -> y -> z -> x");
        assert_eq!(sort(&[("me", &["me"])]).unwrap_err().members, ["me", "me"]);
    }

    #[test]
    fn long_chains_are_quick() {
        let services: BTreeMap<String, Vec<String>> =
            (0..20_000).map(|i| (format!("{i:05}"), vec![format!("{:05}", i + 1)])).collect();
        let order = topological_sort(&services).unwrap();
        assert_eq!((order.len(), order[0].as_str()), (20_000, "19999"));
    }
}
