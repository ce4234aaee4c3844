//! Who is known to the cluster.

use aggregator_crds::Role;
use aggregator_embedded_kube::api::access::User;
use aggregator_operator::rbac;

/// The namespace of the operator's ServiceAccount.
pub(super) const SYSTEM: &str = "aggregator-system";
/// Whoever has started the cluster: its files are theirs already, so there is nothing that they may not do.
pub(super) const OWNER: &str = "root";

/// Whoever has started the cluster.
pub(super) fn owner() -> User {
    User { name: OWNER.to_owned(), groups: vec!["system:masters".to_owned()], ..User::default() }
}

/// The operator, who may do what its ServiceAccount may, and no more.
pub(super) fn operator() -> User {
    User::of_account(SYSTEM, rbac::NAME, "")
}

/// Everybody who gets a token: the owner, and one user for each role, of the role's name.
pub(super) fn all() -> Vec<User> {
    let roles = Role::ALL.map(|role| User { name: role.name().to_owned(), ..User::default() });
    std::iter::once(owner()).chain(roles).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_a_user_who_is_in_no_group() {
        let all = all();
        let names: Vec<&str> = all.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["root", "admin", "developer", "designer", "executor", "viewer", "executive"]);
        assert!(all[1..].iter().all(|user| user.groups.is_empty()));
        assert_eq!(operator().name, "system:serviceaccount:aggregator-system:aggregator-operator");
    }
}
