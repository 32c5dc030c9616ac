//! Whether the Service gate can close every way to the target's pods before helm makes one.

use vllm_rollback_engine::workload::{Finding, Severity};

use super::finding;
use crate::manifest::{Manifest, Mapper, Object};

/// A Service that does not exist yet cannot be closed, and helm makes it open: clients would reach the pods before any
/// check has looked at them.
pub(super) async fn look(mapper: &Mapper, target: &Manifest) -> Vec<Finding> {
    let services = target.services();
    let looks = services.iter().map(|service| {
        let object = service.object;
        async move { judge(object, mapper.live(object).await.map(|live| live.is_some()).ok()) }
    });
    futures::future::join_all(looks).await.into_iter().flatten().collect()
}

/// `exists` is none when the cluster did not say.
fn judge(service: &Object, exists: Option<bool>) -> Option<Finding> {
    let label = service.label();
    match exists {
        Some(true) => None,
        None => Some(finding(
            Severity::Unknown,
            "traffic",
            format!("whether {label} exists cannot be read, so it is not known whether its gate can be closed"),
        )),
        Some(false) => {
            let mut found = finding(
                Severity::Refuse,
                "traffic",
                format!(
                    "{label} does not exist now, and the rollback would create it open: clients would reach the pods before the checks have proved them"
                ),
            );
            found.next = vec![
                "bring it back into the release first: helm upgrade with a chart that has it".to_owned(),
                "or take the model out of traffic elsewhere: --registry postgres".to_owned(),
                "or accept that nothing holds clients back: --registry none".to_owned(),
            ];
            Some(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_helm_would_make_is_refused_and_one_that_exists_is_not() {
        let manifest = Manifest::parse("{apiVersion: v1, kind: Service, metadata: {name: s}}", "ml").unwrap();
        let service = &manifest.objects[0];
        assert_eq!(judge(service, Some(true)), None);
        let refused = judge(service, Some(false)).unwrap();
        assert_eq!(refused.severity, Severity::Refuse);
        assert!(
            refused.message.starts_with("Service/s does not exist now"),
            "{}",
            refused.message
        );
        assert_eq!(judge(service, None).unwrap().severity, Severity::Unknown);
    }
}
